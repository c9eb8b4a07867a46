"""Entropy coders, million symbols a second, over the same 64 tables and symbols.

    python -m tests.benchmarks.coders [--compressai PYTHON] [--tfc PYTHON]

One million symbols of 64 Gaussians, the scales distributed so that about 1.4 bits a symbol
result. Wall time of one thread, NumPy array to bytes and back: conversions that a user has to
pay are in it.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import subprocess
import sys
import time

import numpy as np

COUNT = 1_000_000


def _case():
    from jaxlic.entropy.models import scale_table
    from jaxlic.entropy.tables import gaussian_tables

    rng = np.random.default_rng(0)
    indexes = np.minimum(rng.geometric(0.09, COUNT) - 1, 63).astype(np.int32)
    scales = scale_table()[indexes]
    symbols = np.round(rng.standard_normal(COUNT) * scales).astype(np.int32)
    return symbols, indexes, {"gaussian": gaussian_tables()}


def _best(function):
    times = []
    for _ in range(4):
        began = time.perf_counter()
        result = function()
        times.append(time.perf_counter() - began)
    return result, COUNT / min(times) / 1e6


def _library(coder):
    symbols, indexes, tables = _case()

    def write():
        encoder = coder.encoder(tables)
        encoder.put("gaussian", symbols, indexes)
        return encoder.finish()

    data, encoding = _best(write)
    back, decoding = _best(lambda: coder.decoder(data, tables).get("gaussian", indexes))
    assert (back == symbols).all()
    return {"encode": encoding, "decode": decoding, "bytes": len(data)}


def constriction():
    from jaxlic.entropy.range_coder import CONSTRICTION

    return _library(CONSTRICTION)


def tfc():
    from jaxlic.entropy.tfc_coder import load_tfc

    return _library(load_tfc())


def compressai():
    """Reads the case from a file: its environment has no JAX."""
    import importlib.util
    import sysconfig

    # The extension alone: importing the package takes torch and torchvision.
    folder = pathlib.Path(sysconfig.get_paths()["platlib"]) / "compressai"
    file = next(folder.glob("ans.*.so"))
    spec = importlib.util.spec_from_file_location("compressai.ans", file)
    ans = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(ans)
    case = np.load(os.environ["JAXLIC_CASE"])
    symbols, indexes = case["symbols"], case["indexes"]
    sizes, offsets = case["sizes"], case["offsets"]
    ends = np.cumsum(sizes)
    cdfs = [
        [0, *np.cumsum(case["frequencies"][end - size : end].astype(int)).tolist()]
        for end, size in zip(ends, sizes, strict=True)
    ]
    lengths, offsets = [len(cdf) for cdf in cdfs], offsets.tolist()

    def write():
        encoder = ans.RansEncoder()
        return encoder.encode_with_indexes(
            symbols.tolist(), indexes.tolist(), cdfs, lengths, offsets
        )

    def read():
        decoder = ans.RansDecoder()
        return np.array(
            decoder.decode_with_indexes(data, indexes.tolist(), cdfs, lengths, offsets)
        )

    data, encoding = _best(write)
    back, decoding = _best(read)
    assert (back == symbols).all()
    return {"encode": encoding, "decode": decoding, "bytes": len(data)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--compressai", metavar="PYTHON")
    parser.add_argument("--tfc", metavar="PYTHON")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        print(
            json.dumps(
                {"constriction": constriction, "tfc": tfc, "compressai": compressai}[
                    args.worker
                ]()
            )
        )
        return
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        symbols, indexes, tables = _case()
        table = tables["gaussian"]
        case = f"{folder}/case.npz"
        np.savez(
            case,
            symbols=symbols,
            indexes=indexes,
            frequencies=table.frequencies,
            sizes=table.sizes,
            offsets=table.offsets,
        )
        print(f"{'coder':14}{'encode':>10}{'decode':>10}{'bytes':>10}   (Msymbols/s)")
        interpreters = {
            "constriction": sys.executable,
            "tfc": args.tfc,
            "compressai": args.compressai,
        }
        for name, python in interpreters.items():
            if not python:
                continue
            environment = {
                **os.environ,
                "JAXLIC_CASE": case,
                "PYTHONPATH": str(pathlib.Path(__file__).parents[2]),
            }
            command = [python, os.path.abspath(__file__), "--worker", name]
            done = subprocess.run(
                command, env=environment, capture_output=True, text=True, check=False
            )
            if done.returncode:
                sys.exit(done.stderr)
            row = json.loads(done.stdout.splitlines()[-1])
            print(f"{name:14}{row['encode']:>10.1f}{row['decode']:>10.1f}{row['bytes']:>10,}")


if __name__ == "__main__":
    main()
