"""The training command. `python -m train --help` explains it."""

from __future__ import annotations

import argparse
import datetime
import importlib.metadata
import json
import os
import pathlib
import shutil
import sys
import time

EPILOG = """examples:
  python -m train configs/base.py --workdir runs/base --data photos/
  python -m train configs/base.py --workdir runs/small --data photos/ --set hidden=96 steps=2000
  python -m train configs/base.py --workdir runs/base --data photos/      (again: resumes)

A workdir holds config.py, settings.json, metrics.jsonl and checkpoints/. Stop with Ctrl-C or
SIGTERM: the step under way is finished and saved. After `kill -9` the same command goes on
from the last checkpoint and ends with the same parameters, to the bit."""


def main(argv: list[str] | None = None) -> int:
    """Runs the command; returns its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m train",
        description="Train a codec. Resumes if the workdir holds a run of the same config.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "config", type=pathlib.Path, help="a Python file, such as configs/base.py"
    )
    parser.add_argument(
        "--workdir", type=pathlib.Path, required=True, help="where the run lives"
    )
    parser.add_argument(
        "--data", type=pathlib.Path, required=True, help="a folder of photographs"
    )
    parser.add_argument(
        "--targets",
        type=pathlib.Path,
        help="a folder of images to train towards, of the same names (jaxlic jnd-targets)",
    )
    parser.add_argument(
        "--set", nargs="+", default=[], metavar="NAME=VALUE", help="settings of the config"
    )
    parser.add_argument(
        "--max-minutes", type=float, default=float("inf"), help="stop, saved, after this long"
    )
    parser.add_argument("--workers", type=int, default=2, help="threads that prepare batches")
    parser.add_argument(
        "--tensorboard", action="store_true", help="write TensorBoard events too"
    )
    parser.add_argument(
        "--distributed",
        action="store_true",
        help="one of several processes: start this on every host (on TPU pods and under SLURM "
        "they find each other; elsewhere set JAX_COORDINATOR_ADDRESS, JAX_NUM_PROCESSES and "
        "JAX_PROCESS_ID)",
    )
    args = parser.parse_args(argv)

    from jaxlic.errors import Error
    from train.data import pack
    from train.experiment import load_experiment, parse_overrides

    leads = True
    if args.distributed:
        import jax

        # Found by JAX itself on TPU pods and under SLURM; named by hand elsewhere.
        count, number = (os.environ.get(f"JAX_{n}") for n in ("NUM_PROCESSES", "PROCESS_ID"))
        jax.distributed.initialize(
            num_processes=None if count is None else int(count),
            process_id=None if number is None else int(number),
        )
        leads = jax.process_index() == 0
    try:
        settings = parse_overrides(args.set)
        e = load_experiment(args.config, settings)
        if leads:
            _claim(args.workdir, args.config, settings)
        _train(e, args, pack, leads)
    except Error as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except FloatingPointError as error:
        print(f"error: {error}; the last checkpoint is kept", file=sys.stderr)
        return 1
    return 0


def _claim(workdir: pathlib.Path, config: pathlib.Path, settings: dict[str, str]) -> None:
    """Makes the workdir this config's, or raises if it is another's."""
    from train.experiment import ConfigError

    recorded = workdir / "settings.json"
    if recorded.is_file():
        if json.loads(recorded.read_text()) != settings or (
            (workdir / "config.py").read_bytes() != config.read_bytes()
        ):
            raise ConfigError(
                f"{workdir}: holds a run of another config or other settings; "
                "choose a new --workdir, or repeat the old command to resume"
            )
        return
    others = [p for p in workdir.iterdir() if p.name != "config.py"] if workdir.is_dir() else []
    if others or workdir.is_file():
        raise ConfigError(f"{workdir}: exists and is not a training run")
    workdir.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(config, workdir / "config.py")
    recorded.write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n")


def _train(e, args, pack, leads: bool) -> None:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        track,
    )

    console = Console(stderr=True)
    packed = pack(
        args.data, track=lambda files: track(files, "decoding images", console=console)
    )
    for name, reason in packed.skipped:
        console.print(f"skipped {name}: {reason}", highlight=False)
    console.print(f"{len(packed.index)} images, {len(packed.skipped)} skipped", highlight=False)

    targets = None
    if args.targets is not None:
        targets = pack(
            args.targets, track=lambda files: track(files, "decoding targets", console=console)
        )

    import jax

    from train.loop import run

    provenance = {
        "device": jax.devices()[0].device_kind,
        "devices": jax.device_count(),
        "versions": {
            name: importlib.metadata.version(name) for name in ("jax", "flax", "optax", "grain")
        },
        "images": len(packed.index),
    }
    if leads:
        (args.workdir / "provenance.json").write_text(json.dumps(provenance, indent=2) + "\n")
    board = None
    if args.tensorboard and leads:
        from tensorboardX import SummaryWriter

        board = SummaryWriter(str(args.workdir / "tensorboard"))

    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
    ) as bar:
        task = bar.add_task("training", total=e.steps)
        last = {"time": time.monotonic(), "step": None}

        def log(kind, step, metrics):
            if not leads:
                return
            now = time.monotonic()
            record = {"kind": kind, "step": step, **metrics}
            if kind == "resume":
                last["step"] = step
                bar.console.print(f"resuming at step {step}", highlight=False)
            if kind == "train":
                if last["step"] is not None and step > last["step"]:
                    rate = (step - last["step"]) * e.batch / (now - last["time"])
                    record["images_per_second"] = round(rate, 2)
                last.update(time=now, step=step)
                bar.update(task, completed=step)
            record["time"] = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
            with open(args.workdir / "metrics.jsonl", "a") as out:
                out.write(json.dumps(record) + "\n")
            if metrics:
                text = "  ".join(
                    f"{name} {value:.4g}"
                    for name, value in record.items()
                    if isinstance(value, float)
                )
                bar.console.print(f"{kind} {step}  {text}", highlight=False)
                if board is not None:
                    for name, value in metrics.items():
                        board.add_scalar(f"{kind}/{name}", value, step)

        run(
            e,
            args.workdir,
            packed,
            log=log,
            max_minutes=args.max_minutes,
            workers=args.workers,
            targets=targets,
        )


if __name__ == "__main__":
    sys.exit(main())
