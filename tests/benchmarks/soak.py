"""Many files of many sizes through one process: memory stays flat, threads change no byte.

    python -m tests.benchmarks.soak --count 10000

Every file is written as an image, read, compressed, decompressed and written again; some have
transparency, a profile, or are grey. Then the same once more, by several threads. Prints memory
as it goes; exits with 1 if it grew in the second half, or if any byte differs.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import hashlib
import itertools
import pathlib
import sys
import tempfile
import threading
import time

import numpy as np

import jaxlic
from jaxlic.api import ImageCodec, load_codec
from jaxlic.files import images
from jaxlic.files.images import Picture

DATA = pathlib.Path(__file__).parent.parent / "data"
SUFFIXES = (".png", ".webp", ".tiff", ".jpg", ".bmp")


def picture(number: int, photo: np.ndarray, largest: int) -> Picture:
    """An image that its number determines, of up to `largest` pixels a side."""
    rng = np.random.default_rng(number)
    height, width = (int(n) for n in np.exp(rng.uniform(0, np.log(largest), 2)).round())
    repeats = -(-height // photo.shape[0]), -(-width // photo.shape[1]), 1
    rgb = np.tile(np.roll(photo, rng.integers(photo.shape[1]), 1), repeats)[:height, :width]
    if number % 7 == 0:
        rgb = rgb[..., :1].repeat(3, -1)
    opaque = number % 3 or SUFFIXES[number % len(SUFFIXES)] in (".jpg", ".bmp")
    alpha = None if opaque else rng.integers(0, 256, (height, width)).astype(np.uint8)
    plain = number % 4 or SUFFIXES[number % len(SUFFIXES)] == ".bmp"
    icc = None if plain else bytes(16) + b"RGB " + rng.bytes(int(rng.integers(20_000)))
    return Picture(np.ascontiguousarray(rgb), alpha, icc)


def digest(
    number: int, codec: ImageCodec, photo: np.ndarray, largest: int, folder: pathlib.Path
) -> str:
    """A hash of the file that an image becomes; it must decode to what it was."""
    path = folder / f"{number}{SUFFIXES[number % len(SUFFIXES)]}"
    images.write(path, picture(number, photo, largest))
    read = images.read(path)
    data = codec.compress(read, 5 + number % 90)
    decoded = codec.decode(data)
    assert decoded.rgb.shape == read.rgb.shape and decoded.icc == read.icc
    assert np.array_equal(decoded.alpha, read.alpha)
    back = path.with_suffix(".back.png")
    images.write(back, decoded)
    path.unlink()
    back.unlink()
    return hashlib.sha256(data).hexdigest()


def memory() -> float:
    """What the process holds, in MB."""
    for line in pathlib.Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("no VmRSS in /proc/self/status")


def run(name: str, count: int, threads: int, work) -> tuple[list[str], list[float]]:
    """Hashes of all files, and the memory after each twentieth of them."""
    done, sizes, lock, began = itertools.count(1), [], threading.Lock(), time.perf_counter()

    def one(number: int) -> str:
        found = work(number)
        with lock:
            n = next(done)
            if n % max(count // 20, 1) == 0:
                sizes.append(memory())
                seconds = time.perf_counter() - began
                print(f"{name:>10} {n:>6} files {seconds:>8.1f} s {sizes[-1]:>7.0f} MB")
        return found

    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        return list(pool.map(one, range(count))), sizes


def main() -> int:
    """Runs the soak."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--threads", type=int, default=4)
    parser.add_argument("--model", default="base")
    parser.add_argument("--largest", type=int, default=700, help="pixels a side, default 700")
    parser.add_argument("--growth", type=float, default=0.05, help="allowed, default 0.05")
    args = parser.parse_args()
    jaxlic.keep_compiled()
    codec, photo = load_codec(args.model), images.read_rgb(DATA / "kodim23_crop.png")
    with tempfile.TemporaryDirectory() as folder:

        def work(number: int) -> str:
            return digest(number, codec, photo, args.largest, pathlib.Path(folder))

        alone, sizes = run("one", args.count, 1, work)
        together, _ = run("threads", args.count, args.threads, work)
    half = len(sizes) // 2
    growth = sizes[-1] / sizes[half] - 1
    differ = sum(a != b for a, b in zip(alone, together, strict=True))
    print(f"memory {growth:+.1%} over the second half; {differ} of {args.count} files differ")
    return 1 if growth > args.growth or differ else 0


if __name__ == "__main__":
    sys.exit(main())
