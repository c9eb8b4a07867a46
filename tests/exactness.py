"""Writes and reads streams, to compare what different machines make of them.

    python -m tests.exactness write FOLDER 1000      streams of random crops, all qualities
    python -m tests.exactness write FOLDER 4 --large    and one image for every size of window
    python -m tests.exactness read FOLDER            a line a model: SHA-256 of all latents
    python -m tests.exactness read FOLDER --jax --models base    computed by JAX, not NumPy
    python -m tests.exactness models FOLDER --batch 8    of all (index, mean), by batches

`read` and `models` run on any machine, with any XLA flags, BLAS and JAX, and print the
same lines on all of them.
"""

from __future__ import annotations

import argparse
import hashlib
import pathlib

import jax
import jax.numpy as jnp
import numpy as np

import jaxlic
from jaxlic import models as stored
from jaxlic.entropy import coder
from jaxlic.files import images
from tests.conftest import DATA

CODECS = [name for name in stored.shipped() if stored.card(name)["number"]]
# Windows of 128, 256, 512, 768 and more, and several tiles; narrow, so that they cost little.
LARGE = ((200, 90), (70, 300), (600, 64), (64, 800), (1090, 40))


def write(folder: pathlib.Path, count: int, names: list[str], large: bool) -> None:
    """Compresses `count` random crops at random qualities with every model."""
    photos = [images.read(path).rgb for path in sorted(DATA.glob("*.png"))]
    for name in names:
        rng, codec = np.random.default_rng(0), jaxlic.load(name)
        (folder / name).mkdir(parents=True, exist_ok=True)
        shapes = [tuple(rng.integers(1, 129, 2)) for _ in range(count)]
        for i, (height, width) in enumerate([*shapes, *(LARGE if large else ())]):
            photo = photos[rng.integers(len(photos))]
            photo = np.tile(photo, (-(-height // 192) + 1, -(-width // 256) + 1, 1))
            top, left = rng.integers(192), rng.integers(256)
            crop = photo[top : top + height, left : left + width]
            data = codec.compress(crop, quality=round(float(rng.uniform(1, 100)), 2))
            (folder / name / f"{i:04}.jlic").write_bytes(data)


def read(folder: pathlib.Path, name: str, count: int) -> str:
    """The digest of the latents of the first `count` streams of a model."""
    codec, digest = jaxlic.load(name), hashlib.sha256()
    paths = sorted((folder / name).glob("*.jlic"))[:count]
    for path in paths:
        digest.update(codec.latents(path.read_bytes()).tobytes())
    return f"{name} {len(paths)} {digest.hexdigest()}"


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
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("write", "read", "models"))
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("count", type=int, nargs="?", default=1_000_000)
    parser.add_argument("--jax", action="store_true")
    parser.add_argument("--large", action="store_true")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--models", default=",".join(CODECS), help="for streams, by comma")
    args = parser.parse_args()
    names = args.models.split(",")
    if args.jax:
        placed = coder.Reader.__call__
        coder.Reader.__call__ = lambda *a: jnp.asarray(placed(*a))
    if args.what == "write":
        write(args.folder, args.count, names, args.large)
    elif args.what == "read":
        for name in names:
            print(read(args.folder, name, args.count))
    else:
        print(models(args.folder, args.batch))


if __name__ == "__main__":
    main()
