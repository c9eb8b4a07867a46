"""How many crops a second a folder and shards give, beside what a training step takes.

    python -m tests.benchmarks.feeding FOLDER [--images 24] [--workers 1 2] [--processes 2]

The images of FOLDER are decoded once (`train.data`), and packed into tars as they are and as
JPEG 92, PNG and lossless WebP, and into ArrayRecord files as JPEG; each is fed for some seconds
by threads, JPEG in tars by processes of one thread too. The step is that of `configs/base.py`,
on this machine's device. The median of rounds of all rows is given, so that a busy machine is
busy for all; milliseconds of a core depend less on how busy it is.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable

import numpy as np

CROP, BATCH = 192, 8  # Of configs/base.py.


def _packed(folder: pathlib.Path, work: pathlib.Path, count: int) -> dict[str, pathlib.Path]:
    """Folders and shards of the same images."""
    from PIL import Image

    from jaxlic.files import images
    from train.pack import pack

    options = {
        "jpeg": {"quality": 92},
        "png": {"compress_level": 1},
        "webp": {"lossless": True, "method": 0},
    }
    for file in images.find(folder)[:count]:
        image = Image.fromarray(images.read_rgb(file))
        (work / "given").mkdir(exist_ok=True)
        shutil.copy(file, work / "given" / file.name)
        for suffix, how in options.items():
            (work / suffix).mkdir(exist_ok=True)
            image.save(work / suffix / f"{file.stem}.{suffix}", suffix.upper(), **how)
    found = {"folder, decoded once": work / "jpeg"}
    pairs = [("webdataset", name) for name in ("given", *options)] + [("arrayrecord", "jpeg")]
    for format_, name in pairs:
        out = work / f"{name}-{format_}"
        pack(work / name, out, format_=format_, shards=4)
        found[f"{format_}, {name}"] = out
    return found


def _timed(work: Callable[[], object], seconds: float) -> tuple[float, float]:
    """Images a second, and milliseconds of a core for each, of `work` on a batch."""
    count, began, core = 0, time.perf_counter(), time.process_time()
    while (now := time.perf_counter()) < began + seconds:
        work()
        count += BATCH
    return count / (now - began), 1e3 * (time.process_time() - core) / count


def _feeding(where: pathlib.Path, workers: int, processes: int, seconds: float):
    """As `_timed`; what is made ahead before the clock starts counts for little."""
    from train import feed
    from train.crops import crops
    from train.sources import images_at

    source = images_at(where)
    data = crops(source, range(len(source.names)), size=CROP, batch=BATCH, seed=0)
    options = {"workers": workers, "processes": processes, "prefetch": 2}
    made = feed.batches(data, 0, names=source.names, tell=print, **options)
    for _ in range(4 * max(1, processes)):
        next(made)
    found = _timed(lambda: next(made), seconds)
    made.close()
    return found


def _stepping(seconds: float) -> tuple[float, float]:
    """As `_timed`, of the step of configs/base.py."""
    import jax

    from configs.base import experiment
    from train.step import init_state, make_step

    e = experiment(crop=CROP, batch=BATCH)
    step = jax.jit(make_step(e), donate_argnums=0)
    state = jax.jit(lambda: init_state(e))()
    image = np.random.default_rng(0).integers(0, 256, (BATCH, CROP, CROP, 3)).astype(np.uint8)

    def work() -> None:
        nonlocal state
        state, _ = jax.block_until_ready(step(state, {"image": image}))

    work()
    return _timed(work, seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--images", type=int, default=24, help="how many are used")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--processes", type=int, nargs="*", default=[2])
    parser.add_argument("--seconds", type=float, default=5, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        os.environ["JAXLIC_CACHE"] = str(work / "cache")
        found = _packed(args.folder, work, args.images)
        rows = [(name, n, 0) for name in found for n in args.workers]
        rows += [("webdataset, jpeg", 1, n) for n in args.processes]
        timed: dict[tuple, list[tuple[float, float]]] = {}
        for _ in range(args.rounds):
            for row in rows:
                name, workers, processes = row
                got = _feeding(found[name], workers, processes, args.seconds)
                timed.setdefault(row, []).append(got)
                print(row, got, file=sys.stderr)
            timed.setdefault(("step", 0, 0), []).append(_stepping(args.seconds))
    load = os.getloadavg()[0]
    print(f"{os.cpu_count()} cores, load {load:.1f}; images of {CROP} x {CROP} pixels\n")
    print("| | by | a second | ms of a core |\n| --- | --- | --- | --- |")
    for (name, workers, processes), values in timed.items():
        rate, core = (statistics.median(column) for column in zip(*values, strict=True))
        by = f"{processes} process(es)" if processes else f"{workers} thread(s)"
        by = by if workers else "XLA"
        # What other processes take of a core is not known.
        print(f"| {name} | {by} | {rate:.1f} | {'' if processes else f'{core:.1f}'} |")


if __name__ == "__main__":
    main()
