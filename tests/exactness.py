"""Writes and reads streams, to compare what different machines make of them.

    python -m tests.exactness write FOLDER 1000      streams of random crops, all qualities
    python -m tests.exactness read FOLDER            one line: SHA-256 of all decoded latents
    python -m tests.exactness read FOLDER --eager --model base
    python -m tests.exactness models FOLDER --batch 8    of all (index, mean), by batches

`read` and `models` run on any machine, with any XLA flags and release of JAX, and print the
same line on all of them.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import pathlib

import jax
import numpy as np

import jaxlic
from jaxlic import api
from jaxlic import models as stored
from jaxlic.files import images
from tests.conftest import DATA


def write(folder: pathlib.Path, count: int, model: str) -> None:
    """Compresses `count` random crops of the sample photographs at random qualities."""
    codec = jaxlic.load(model)
    photos = [images.read(path).rgb for path in sorted(DATA.glob("*.png"))]
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(count):
        photo = photos[rng.integers(len(photos))]
        height, width = rng.integers(1, 129, 2)
        top = rng.integers(photo.shape[0] - height + 1)
        left = rng.integers(photo.shape[1] - width + 1)
        crop = photo[top : top + height, left : left + width]
        data = codec.compress(crop, quality=round(float(rng.uniform(1, 100)), 2))
        (folder / f"{i:04}.jlic").write_bytes(data)


def read(folder: pathlib.Path, model: str) -> str:
    """The digest of the latents of every stream."""
    codec, digest = api.load_codec(model), hashlib.sha256()
    for path in sorted(folder.glob("*.jlic")):
        digest.update(codec.latents(path.read_bytes()).tobytes())
    return digest.hexdigest()


def models(folder: pathlib.Path, batch: int) -> str:
    """The digest of the hyper-synthesis of random hyper-latents, computed `batch` at a time."""
    m = stored.load_model("base")
    module = stored.build(m.spec)
    rng, digest = np.random.default_rng(0), hashlib.sha256()
    z = np.clip(
        np.round(rng.standard_cauchy((64, 4, 5, module.hyper_analysis.latents))), -127, 127
    )
    quality = rng.uniform(1, 100, 64).astype(np.float32)
    synthesis = jax.jit(
        lambda z, q: module.apply(
            m.params, z, q, method=lambda m, z, q: m.hyper_synthesis(z, q)[0]
        )
    )
    for i in range(0, 64, batch):
        model = synthesis(z[i : i + batch].astype(np.float32), quality[i : i + batch])
        for one in zip(np.asarray(model.offset), np.asarray(model.indexes), strict=True):
            digest.update(b"".join(a.tobytes() for a in one))
    return digest.hexdigest()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("what", choices=("write", "read", "models"))
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("count", type=int, nargs="?", default=1000)
    parser.add_argument("--eager", action="store_true")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--model", default="base", help="for streams")
    args = parser.parse_args()
    with jax.disable_jit() if args.eager else contextlib.nullcontext():
        if args.what == "write":
            write(args.folder, args.count, args.model)
        elif args.what == "read":
            print(read(args.folder, args.model))
        else:
            print(models(args.folder, args.batch))


if __name__ == "__main__":
    main()
