"""The options of `python -m train`, and what its --help teaches. Without JAX."""

from __future__ import annotations

import argparse
import pathlib

EPILOG = """examples:
  python -m train configs/base.py --workdir runs/base --data photos/
  python -m train configs/base.py --workdir runs/small --data photos/ --set hidden=96 steps=2000
  python -m train configs/base.py --workdir runs/base --data photos/      (again: resumes)
  python -m train.pack photos/ shards/ --shards 64        (too many to decode once)
  python -m train configs/base.py --workdir runs/base --data s3://bucket/shards --workers 8

A workdir holds config.py, settings.json, metrics.jsonl and checkpoints/. Stop with Ctrl-C or
SIGTERM: the step under way is finished and saved. After `kill -9` the same command goes on
from the last checkpoint and ends, without --minutes, with the same parameters, to the bit.

  python -m train configs/base.py --compile-for v5e:16x16 --set batch=2048

tells what a step takes on machines that are not here: memory, operations, time at best."""


def parser() -> argparse.ArgumentParser:
    """What `python -m train` understands."""
    parser = argparse.ArgumentParser(
        prog="python -m train",
        description="Train a codec. Resumes if the workdir holds a run of the same config.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "config", type=pathlib.Path, help="a Python file, such as configs/base.py"
    )
    parser.add_argument("--workdir", type=pathlib.Path, help="where the run lives")
    parser.add_argument(
        "--data",
        help="a folder of photographs, which are decoded once; or shards, which are decoded as "
        "they are drawn: a folder or URL (s3://, gs://) of ArrayRecord files or WebDataset "
        "tars (python -m train.pack), or one of them",
    )
    parser.add_argument(
        "--targets",
        metavar="DATA",
        help="images to train towards, of the same names (jaxlic jnd-targets)",
    )
    parser.add_argument(
        "--set",
        nargs="+",
        action="extend",
        default=[],
        metavar="NAME=VALUE",
        help="settings of the config; of one name the last counts",
    )
    _add_ending(parser)
    _add_feeding(parser)
    _add_watching(parser)
    parser.add_argument(
        "--compile-for",
        metavar="MACHINE",
        help="train nothing: compile the step for a machine that need not be here, such as "
        "v5e:16x16 or h100:8, and say what it costs there",
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="with --compile-for: optimise less; sooner, and memory and traffic read higher",
    )
    parser.add_argument(
        "--distributed",
        action="store_true",
        help="one of several processes: start this on every host (on TPU pods and under SLURM "
        "they find each other; elsewhere set JAX_COORDINATOR_ADDRESS, JAX_NUM_PROCESSES and "
        "JAX_PROCESS_ID)",
    )
    return parser


def _add_ending(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--max-minutes",
        type=_longest,
        default=float("inf"),
        metavar="M",
        help="stop, saved, after this long",
    )
    parser.add_argument(
        "--minutes",
        type=_minutes,
        metavar="M",
        help="train by the clock: after M minutes of steps the schedules of the config are at "
        "their end, however many steps that makes; for machines lent for a time",
    )
    parser.add_argument(
        "--stopped",
        type=_code,
        default=0,
        metavar="CODE",
        help="exit code of a run that was stopped, saved, before its last step (default 0; 75, "
        "say, for schedulers that start again what fails)",
    )


def _add_feeding(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--workers", type=_count, default=2, help="threads that prepare batches (default 2)"
    )
    parser.add_argument(
        "--processes",
        type=_count,
        default=0,
        help="processes that do it, of as many threads each, where the threads of one are in "
        "each other's way (default 0: this one)",
    )
    parser.add_argument(
        "--prefetch",
        type=_count,
        default=256,
        metavar="MIB",
        help="most memory for batches prepared ahead (default 256)",
    )


def _add_watching(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--tensorboard",
        action="store_true",
        help="write TensorBoard events too, with pictures of held-out images",
    )
    parser.add_argument(
        "--wandb",
        metavar="PROJECT",
        help="log to Weights & Biases too (WANDB_MODE=offline: to WORKDIR/wandb only)",
    )
    parser.add_argument(
        "--profile",
        type=_count,
        default=0,
        metavar="STEPS",
        help="trace so many steps, after the first ten, into WORKDIR/profile",
    )


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


def _longest(text: str) -> float:
    if not (minutes := _number(text)) >= 0:
        raise argparse.ArgumentTypeError(f"must be a number of minutes, got {text!r}")
    return minutes


def _minutes(text: str) -> float:
    if not 0 < (minutes := _number(text)) < float("inf"):
        raise argparse.ArgumentTypeError(f"must be a number of minutes above 0, got {text!r}")
    return minutes


def _count(text: str, most: int = 1 << 20) -> int:
    if not text.isascii() or not text.isdigit() or not int(text[:20]) <= most:
        raise argparse.ArgumentTypeError(f"must be a whole number to {most:,}, got {text!r}")
    return int(text)


def _code(text: str) -> int:
    return _count(text, 255)
