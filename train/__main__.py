"""The training command. `python -m train --help` explains it."""

from __future__ import annotations

import argparse
import contextlib
import functools
import importlib.metadata
import json
import logging
import os
import sys
from typing import TYPE_CHECKING

from train.options import parser

if TYPE_CHECKING:
    from rich.console import Console

    from train.crops import Source
    from train.experiment import Experiment

_PICTURES = 4


def main(argv: list[str] | None = None) -> int:
    """Runs the command. 0: done, or stopped, saved; 1: it failed; 2: input; 130: Ctrl-C."""
    told = parser()
    args = told.parse_args(argv)
    if args.compile_for is not None:
        return _compile(args)
    if args.workdir is None or args.data is None:
        told.error("the following arguments are required: --workdir, --data")

    from jaxlic.errors import Error
    from train.experiment import load_experiment, parse_overrides
    from train.saving import has_checkpoint

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
        kept = "; the last checkpoint is kept" if has_checkpoint(args.workdir) else ""
        print(f"error: {place}{error.strerror or error}{kept}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:  # Before the loop, which answers it itself.
        print("stopped before the first step", file=sys.stderr)
        return 130
    return 0 if finished else args.stopped


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
    from train.clock import check, finished
    from train.data import sigterm_raises
    from train.log import reporting, silent
    from train.loop import run

    console = Console(stderr=True)
    # What is half decoded is removed; but where there are several, SIGTERM is JAX's.
    with contextlib.nullcontext() if args.distributed else sigterm_raises():
        packed = _images(args.data, "images", console)
    for name, reason in packed.skipped:
        console.print(f"skipped {name}: {reason}", highlight=False, markup=False)
    console.print(f"{len(packed.names)} images, {len(packed.skipped)} skipped", highlight=False)
    targets = None if args.targets is None else _images(args.targets, "targets", console)

    by_clock = args.minutes is not None
    if by_clock:
        check(e)
    claim(args.workdir, args.config, settings, packed, targets, leads=leads, by_clock=by_clock)

    train = functools.partial(
        run,
        e,
        args.workdir,
        packed,
        max_minutes=args.max_minutes,
        minutes=args.minutes,
        workers=args.workers,
        processes=args.processes,
        prefetch=args.prefetch,
        targets=targets,
    )
    if not leads:
        return finished(e, args.minutes, train(log=silent))
    provenance = _provenance(packed) | ({"by_the_clock": args.minutes} if by_clock else {})
    text = json.dumps(provenance, indent=2) + "\n"
    disk.write_bytes(args.workdir / "provenance.json", text.encode())
    with opened(args.workdir, e, args.tensorboard, args.wandb) as boards:
        pictures = _PICTURES if boards else 0
        with reporting(e, args.workdir, console=console, boards=boards) as log:
            state = train(log=log, pictures=pictures, profile=args.profile)
    if not (done := finished(e, args.minutes, state)):
        step = int(state.step)
        console.print(f"stopped at step {step}, saved; the same command goes on from there")
    return done


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
