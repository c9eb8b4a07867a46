"""Images a second on one machine: batch jobs, a plain loop, and other codecs, in one run.

    python -m tests.benchmarks.batch --count 48
    python -m tests.benchmarks.batch --folder kodak/

Each row is a process of its own with a cache of compiled programs that is empty at first.
"start" is what passes before the first image: import, weights, planning, and what is compiled
by then. "images/s" is from there to the last file on disk, over all images; "slowest" what
an image (in a job its share of a window) took at most, where programs are compiled on the way.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
from typing import Any

import numpy as np

SIZES = ((384, 512), (512, 384), (250, 250), (200, 600), (640, 480), (120, 120), (700, 700))
CODECS = {"jpeg": 80, "webp": 75, "avif": 60, "jxl": 75}
LABELS = {
    "loop": "plain loop of ImageCodec.compress",
    "listed": "batch, one worker, as listed",
    "planned": "batch, one worker, planned by size",
    "workers": "batch, planned, a worker a core",
}


def photographs(folder: pathlib.Path, count: int) -> None:
    """Images of seven sizes, in the order of their names a mixture."""
    from jaxlic.files import images
    from jaxlic.files.images import Picture

    data = pathlib.Path(__file__).parent.parent / "data"
    photos = [images.read_rgb(path) for path in sorted(data.glob("*.png"))]
    for i in range(count):
        height, width = SIZES[i % len(SIZES)]
        photo = np.roll(photos[i % len(photos)], 13 * i, axis=1)
        rgb = np.tile(photo, (4, 4, 1))[:height, :width]
        images.write(folder / f"{i:04}.png", Picture(np.ascontiguousarray(rgb)))


def loop(folder: pathlib.Path, out: pathlib.Path, began: float) -> dict[str, float]:
    """The library, one image after the other."""
    import jaxlic
    from jaxlic.api import load_codec
    from jaxlic.files import disk, images

    jaxlic.keep_compiled()
    codec = load_codec("base")
    ready, seconds = time.time(), []
    for path in images.find(folder):
        start = time.time()
        disk.write_bytes(out / f"{path.name}.jlic", codec.compress(images.read(path), 40))
        seconds.append(time.time() - start)
    return _result(began, ready, len(seconds), max(seconds))


def classic(
    folder: pathlib.Path, out: pathlib.Path, began: float, *, codec: str
) -> dict[str, float]:
    """JPEG, WebP and AVIF of Pillow, JPEG XL of imagecodecs."""
    from jaxlic.files import classic as codecs
    from jaxlic.files import disk, images

    ready, seconds = time.time(), []
    for path in images.find(folder):
        start = time.time()
        data = codecs.encode(images.read_rgb(path), codec, CODECS[codec])
        disk.write_bytes(out / f"{path.name}.{codec}", data)
        seconds.append(time.time() - start)
    return _result(began, ready, len(seconds), max(seconds))


def job(
    folder: pathlib.Path, out: pathlib.Path, began: float, *, look: bool, local: bool = False
) -> dict[str, float]:
    """A batch job."""
    from jaxlic.batch import drive, shard
    from jaxlic.batch.begin import begin
    from jaxlic.batch.engines.inline import Inline
    from jaxlic.batch.engines.local import Local
    from jaxlic.batch.store import Store
    from jaxlic.batch.worker import Setting, prepare

    arguments: dict[str, Any] = {"input": str(folder), "model": "base", "qualities": [40.0]}
    arguments |= {"coder": "constriction", "psnr": False, "max_pixels": 100_000_000}
    store = Store(str(out))
    planned = begin(store, "compress", arguments, look=look)
    work = functools.partial(prepare, Setting(store))
    engine = Local(work) if local else Inline(work)
    first: list[float] = []
    whole = engine.send

    def send(worker: int, number: int) -> None:
        first.append(time.time())
        whole(worker, number)

    engine.send = send
    drive.drive(engine, range(planned.shards), lambda done: None)
    end = time.time()
    rows = [row for found in shard.each(store, range(planned.shards)) for row in found]
    slowest = max(row.read_seconds + row.code_seconds + row.write_seconds for row in rows)
    return {
        "start": first[0] - began,
        "rate": len(rows) / (end - first[0]),
        "slowest": slowest,
        "whole": end - began,
    }


def _result(began: float, ready: float, count: int, slowest: float) -> dict[str, float]:
    end = time.time()
    rate = count / (end - ready)
    return {"start": ready - began, "rate": rate, "slowest": slowest, "whole": end - began}


WORKERS = {
    "loop": loop,
    "listed": functools.partial(job, look=False),
    "planned": functools.partial(job, look=True),
    "workers": functools.partial(job, look=True, local=True),
    **{codec: functools.partial(classic, codec=codec) for codec in CODECS},
}


def main() -> None:
    """Runs everything and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=pathlib.Path, help="of images; default: made ones")
    parser.add_argument("--count", type=int, default=48, help="of made images, default 48")
    parser.add_argument("--only", choices=WORKERS, nargs="+", default=list(WORKERS))
    parser.add_argument("--worker", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        name, folder, out = args.worker
        began = float(os.environ["JAXLIC_STARTED"])
        print(json.dumps(WORKERS[name](pathlib.Path(folder), pathlib.Path(out), began)))
        return
    with tempfile.TemporaryDirectory() as work:
        folder = args.folder
        if folder is None:
            folder = pathlib.Path(work, "photos")
            folder.mkdir()
            photographs(folder, args.count)
        print(f"{'':36} {'start, s':>9} {'images/s':>9} {'slowest, s':>11} {'in all, s':>10}")
        for name in args.only:
            found = _run(name, folder.resolve(), pathlib.Path(work))
            print(
                f"{LABELS.get(name, name):36} {found['start']:>9.1f} {found['rate']:>9.2f} "
                f"{found['slowest']:>11.2f} {found['whole']:>10.1f}",
                flush=True,
            )


def _run(name: str, folder: pathlib.Path, work: pathlib.Path) -> dict[str, float]:
    out = work / name
    out.mkdir()
    environment = {
        **os.environ,
        "JAXLIC_CACHE": str(work / f"cache-{name}"),
        "JAXLIC_STARTED": str(time.time()),
    }
    command = [sys.executable, "-m", "tests.benchmarks.batch"]
    done = subprocess.run(
        [*command, "--worker", name, str(folder), str(out)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        cwd=pathlib.Path(__file__).parents[2],
    )
    if done.returncode:
        sys.exit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    main()
