"""The training command. `python -m train --help` explains it."""

from __future__ import annotations

import argparse
import functools
import importlib.metadata
import json
import logging
import os
import pathlib
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from train.crops import Source
    from train.experiment import Experiment

EPILOG = """examples:
  python -m train configs/base.py --workdir runs/base --data photos/
  python -m train configs/base.py --workdir runs/small --data photos/ --set hidden=96 steps=2000
  python -m train configs/base.py --workdir runs/base --data photos/      (again: resumes)
  python -m train.pack photos/ shards/ --shards 64        (too many to decode once)
  python -m train configs/base.py --workdir runs/base --data s3://bucket/shards --workers 8

A workdir holds config.py, settings.json, metrics.jsonl and checkpoints/. Stop with Ctrl-C or
SIGTERM: the step under way is finished and saved. After `kill -9` the same command goes on
from the last checkpoint and ends with the same parameters, to the bit.

  python -m train configs/base.py --compile-for v5e:16x16 --set batch=2048

tells what a step takes on machines that are not here: memory, operations, time at best."""

_PICTURES = 4


def main(argv: list[str] | None = None) -> int:
    """Runs the command. 0: done, or stopped, saved; 1: it failed; 2: input; 130: Ctrl-C."""
    parser = _parser()
    args = parser.parse_args(argv)
    if args.compile_for is not None:
        return _compile(args)
    if args.workdir is None or args.data is None:
        parser.error("the following arguments are required: --workdir, --data")

    from jaxlic.errors import Error
    from train.experiment import load_experiment, parse_overrides

    # Orbax logs the traceback of what is raised anyway.
    logging.getLogger("absl").setLevel(logging.CRITICAL)
    try:
        leads = not args.distributed or _joined()
        settings = parse_overrides(args.set)
        e = load_experiment(args.config, settings)
        finished = _train(e, args, settings, leads)
    except Error as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except FloatingPointError as error:
        print(f"error: {error}; the last checkpoint is kept", file=sys.stderr)
        return 1
    except OSError as error:
        place = "" if error.filename is None else f"{error.filename}: "
        text = f"{place}{error.strerror or error}"
        print(f"error: {text}; the last checkpoint is kept", file=sys.stderr)
        return 1
    except KeyboardInterrupt:  # Before the loop, which answers it itself.
        print("stopped before the first step", file=sys.stderr)
        return 130
    return 0 if finished else args.stopped


def _parser() -> argparse.ArgumentParser:
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
        "--set", nargs="+", default=[], metavar="NAME=VALUE", help="settings of the config"
    )
    parser.add_argument(
        "--max-minutes", type=float, default=float("inf"), help="stop, saved, after this long"
    )
    parser.add_argument(
        "--stopped",
        type=int,
        default=0,
        metavar="CODE",
        help="exit code of a run that was stopped, saved, before its last step (default 0; 75, "
        "say, for schedulers that start again what fails)",
    )
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


def _count(text: str) -> int:
    if not 0 <= (count := int(text)) <= 1 << 20:
        raise argparse.ArgumentTypeError(f"{text} is no number of them")
    return count


def _compile(args: argparse.Namespace) -> int:
    """Says what a step costs on another machine. 0, or 2 if it cannot be had there."""
    from jaxlic.errors import Error
    from train import chips

    try:
        machine = chips.machine(args.compile_for)
        chips.prepare(machine)

        from train.cost import cost, report
        from train.experiment import load_experiment, parse_overrides

        e = load_experiment(args.config, parse_overrides(args.set))
        print(report(e, machine, cost(e, machine, quick=args.quick)))
    except Error as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _joined() -> bool:
    """Finds the other processes; whether this one leads."""
    import jax

    from jaxlic.errors import one_line
    from train.experiment import ConfigError

    # Found by JAX itself on TPU pods and under SLURM; named by hand elsewhere.
    count, number = (os.environ.get(f"JAX_{n}") for n in ("NUM_PROCESSES", "PROCESS_ID"))
    try:
        jax.distributed.initialize(
            num_processes=None if count is None else int(count),
            process_id=None if number is None else int(number),
        )
    except ValueError as error:
        raise ConfigError(f"--distributed: {one_line(error)}") from error
    return jax.process_index() == 0


def _train(
    e: Experiment, args: argparse.Namespace, settings: dict[str, str], leads: bool
) -> bool:
    """Whether it came to its last step."""
    from rich.console import Console

    from jaxlic.files import disk
    from train.boards import opened
    from train.claim import claim
    from train.log import reporting, silent

    console = Console(stderr=True)
    packed = _images(args.data, "images", console)
    for name, reason in packed.skipped:
        console.print(f"skipped {name}: {reason}", highlight=False, markup=False)
    console.print(f"{len(packed.names)} images, {len(packed.skipped)} skipped", highlight=False)
    targets = None if args.targets is None else _images(args.targets, "targets", console)

    claim(args.workdir, args.config, settings, packed, targets, leads=leads)

    from train.loop import run

    train = functools.partial(
        run,
        e,
        args.workdir,
        packed,
        max_minutes=args.max_minutes,
        workers=args.workers,
        processes=args.processes,
        prefetch=args.prefetch,
        targets=targets,
    )
    if not leads:
        return int(train(log=silent).step) >= e.steps
    provenance = json.dumps(_provenance(packed), indent=2) + "\n"
    disk.write_bytes(args.workdir / "provenance.json", provenance.encode())
    with opened(args.workdir, e, args.tensorboard, args.wandb) as boards:
        pictures = _PICTURES if boards else 0
        with reporting(e, args.workdir, console=console, boards=boards) as log:
            state = train(log=log, pictures=pictures, profile=args.profile)
    return int(state.step) >= e.steps


def _images(where: str, what: str, console: Console) -> Source:
    from rich.progress import track

    from train.sources import images_at

    return images_at(
        where, track=lambda files: track(files, f"reading {what}", console=console)
    )


def _provenance(packed: Source) -> dict[str, object]:
    import jax

    versions = {
        name: importlib.metadata.version(name) for name in ("jax", "flax", "optax", "grain")
    }
    return {
        "device": jax.devices()[0].device_kind,
        "devices": jax.device_count(),
        "versions": versions,
        "images": len(packed.names),
    }


if __name__ == "__main__":
    sys.exit(main())
