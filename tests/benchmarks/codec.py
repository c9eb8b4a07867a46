"""Compress and decompress one 768x512 photograph, beside CompressAI's mbt2018-mean.

    python -m tests.benchmarks.codec PHOTO [--model base] [--peer PYTHON]

PYTHON is the interpreter of an environment with CompressAI. Wall seconds, median of the warm
rounds. "first file" is from the start of the process, with compiled programs on disk (second
process) and without (first). CompressAI's model has random weights scaled so that its latent
is alive (standard deviation 4): pretrained ones need a download, and time does not depend on
them. Peak memory is of the whole process.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

ROUNDS = 7


def _median(function) -> float:
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        function()
        times.append(time.perf_counter() - began)
    return sorted(times)[ROUNDS // 2]


def _peak() -> float:
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def ours(photo: str, started: float) -> dict[str, float]:
    """Times of jaxlic in this process."""
    import jaxlic
    from jaxlic.files import images

    jaxlic.keep_compiled()
    image = images.read(photo).rgb
    codec = jaxlic.load(os.environ["JAXLIC_MODEL"])
    loaded = time.time() - started
    data = codec.compress(image, 40)
    first = time.time() - started
    codec.decompress(data)
    both = time.time() - started
    return {
        "import and load": loaded,
        "first file compressed": first,
        "... and decompressed": both,
        "compress, warm": _median(lambda: codec.compress(image, 40)),
        "decompress, warm": _median(lambda: codec.decompress(data)),
        "of it to the latents": _median(lambda: codec.latents(data)),
        "bytes": len(data),
        "peak memory, MB": _peak(),
    }


def peer(photo: str, started: float) -> dict[str, float]:
    """Times of CompressAI in this process."""
    import numpy as np
    import torch

    # CPU builds of torch lack operators that torchvision, which is imported, expects.
    library = torch.library.Library("torchvision", "DEF")
    library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    from compressai.zoo import mbt2018_mean
    from PIL import Image

    torch.set_num_threads(os.cpu_count() or 1)
    torch.manual_seed(0)
    net = mbt2018_mean(3, pretrained=False).eval()
    image = np.asarray(Image.open(photo).convert("RGB"), np.float32) / 255
    x = torch.from_numpy(image).permute(2, 0, 1)[None]
    with torch.no_grad():
        net.g_a[-1].weight *= 4 / net.g_a(x).std()
        net.g_a[-1].bias *= 0
        net.h_s[-1].weight *= 0
        net.h_s[-1].bias[:192] = 4.0
        net.h_s[-1].bias[192:] = 0.0
        net.update(force=True)
        loaded = time.time() - started
        out = net.compress(x)
        first = time.time() - started
        net.decompress(out["strings"], out["shape"])
        both = time.time() - started
        return {
            "import and load": loaded,
            "first file compressed": first,
            "... and decompressed": both,
            "compress, warm": _median(lambda: net.compress(x)),
            "decompress, warm": _median(lambda: net.decompress(out["strings"], out["shape"])),
            "bytes": sum(len(s[0]) for s in out["strings"]),
            "peak memory, MB": _peak(),
        }


def _run(python: str, who: str, photo: str, cache: str, model: str) -> dict[str, float]:
    command = [python, os.path.abspath(__file__), photo, "--worker", who]
    environment = {
        **os.environ,
        "JAXLIC_CACHE": cache,
        "JAXLIC_STARTED": str(time.time()),
        "JAXLIC_MODEL": model,
        "PYTHONPATH": str(pathlib.Path(__file__).parents[2]),
    }
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("photo")
    parser.add_argument("--model", default="base")
    parser.add_argument("--peer", help="Python of an environment with CompressAI")
    parser.add_argument("--worker", choices=("ours", "peer"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        worker = {"ours": ours, "peer": peer}[args.worker]
        print(json.dumps(worker(args.photo, float(os.environ["JAXLIC_STARTED"]))))
        return
    with tempfile.TemporaryDirectory() as cache:
        columns = {
            "jaxlic, 1st process": _run(sys.executable, "ours", args.photo, cache, args.model),
            "jaxlic, 2nd process": _run(sys.executable, "ours", args.photo, cache, args.model),
        }
        if args.peer:
            columns["mbt2018-mean"] = _run(args.peer, "peer", args.photo, cache, args.model)
    print(f"{'':24}" + "".join(f"{name:>22}" for name in columns))
    for row in columns["jaxlic, 1st process"]:
        cells = (column.get(row) for column in columns.values())
        print(
            f"{row:24}"
            + "".join(f"{'-' if c is None else format(c, ',.2f'):>22}" for c in cells)
        )


if __name__ == "__main__":
    main()
