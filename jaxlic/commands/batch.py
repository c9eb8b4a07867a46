"""jaxlic batch."""

from __future__ import annotations

import argparse
import functools
from typing import Any

from jaxlic.commands import batch_options, options
from jaxlic.commands.messages import remark, say
from jaxlic.errors import UsageError


def add(commands: Any) -> None:
    """The parser, with one for each of its commands."""
    parser = options.command(
        commands,
        "batch",
        run,
        "do very many images, in any object store: a job that survives workers and resumes",
        "  jaxlic batch compress photos/ -o out/                      all cores, no cluster\n"
        "  jaxlic batch compress s3://b/photos -o s3://b/out -q 40 --engine ray\n"
        "  jaxlic batch eval manifest.parquet -o s3://b/run --shards 3/64\n"
        "  jaxlic batch status s3://b/out\n"
        "  jaxlic batch retry s3://b/out\n"
        'The same command goes on with a job. Needs pip install "jaxlic[batch]"; stores need\n'
        "s3fs or gcsfs, --engine ray needs Ray: jaxlic[s3], jaxlic[gcs], jaxlic[ray].",
    )
    batch_options.add(parser)


def run(args: argparse.Namespace) -> int:
    """Does the part of a command that needs the libraries."""
    from jaxlic.batch import store

    folder = store.Store(store.absolute(args.job), args.retry_for)
    if args.command == "status":
        return _status(folder, args.errors)
    from jaxlic.commands.code import builders_in

    if args.share is None:  # Devices are the workers'.
        import jax

        jax.config.update("jax_platforms", "cpu")
    args.builders = functools.partial(builders_in, args.code)
    if args.command == "retry":
        return _retry(folder, args)
    return _begin(folder, args)


def _begin(folder: Any, args: argparse.Namespace) -> int:
    from jaxlic.batch import begin
    from jaxlic.batch.store import absolute

    arguments = batch_options.arguments(args)
    arguments |= {"input": absolute(args.input), "model": _model(arguments["model"])}
    if args.share is not None and args.share[0] > 0:
        begin.awaited(folder, lambda: remark("waiting for share 1 to plan the job"))
    seen = [0]

    def watch(count: int) -> None:
        seen[0] = count
        if count % 10_000 == 0:
            remark(f"planned {count:,} images")

    job = begin.begin(
        folder,
        args.command,
        arguments,
        builders=args.builders(),
        size=args.shard_size,
        look=not args.as_listed,
        other_versions=args.other_versions,
        watch=watch,
    )
    if seen[0] or args.plan_only:
        remark(f"{job.images:,} images in {job.shards:,} shards")
    if args.plan_only:
        return 0
    first, step = args.share or (0, 1)
    shards, done = begin.so_far(folder, job, range(first, job.shards, step))
    return _drive(folder, args, job, shards, done)


def _retry(folder: Any, args: argparse.Namespace) -> int:
    from jaxlic.batch import begin, job

    found = job.existing(folder)
    shards, done = begin.with_failures(folder, found)
    return _drive(folder, args, found, shards, done, again=True)


def _drive(
    folder: Any,
    args: argparse.Namespace,
    job: Any,
    shards: list[int],
    done: Any,
    again: bool = False,
) -> int:
    """Does shards and tells how it goes; `done` is what was done before."""
    from jaxlic.batch.drive import drive
    from jaxlic.batch.worker import Setting
    from jaxlic.commands.pace import Pace, amount

    setting = Setting(folder, args.builders, again, args.other_versions)
    step = args.share[1] if args.share else 1
    total = job.images if step == 1 else -(-job.images // step)  # Of a share, nearly.
    most = batch_options.most(args.max_errors, total)
    pace = Pace(total, done.images)

    def watch(more: Any) -> None:
        if more is not None:
            done.add(more)
        pace.show(done.images, read=done.bytes_in, written=done.bytes_out, failed=done.failed)

    def enough() -> bool:
        return most is not None and done.failed > most

    before = done.images
    if shards:
        try:
            drive(_engine(args, setting), shards, watch, enough=enough)
        finally:
            pace.clear()
    say(
        f"{done.images:,} images done, {done.failed:,} failed, "
        f"{amount(done.bytes_in)} in, {amount(done.bytes_out)} out, "
        f"{done.images - before:,} of them now at {pace.rate(done.images):.2f} images/s"
    )
    if enough():
        raise UsageError(
            f"{folder.root}: stopped, for {done.failed:,} images failed, more than "
            f"--max-errors {args.max_errors}; jaxlic batch status shows why"
        )
    return 2 if done.failed else 0


def _engine(args: argparse.Namespace, setting: Any) -> Any:
    from jaxlic.batch.worker import prepare

    work = functools.partial(prepare, setting)
    if args.share is not None:
        from jaxlic.batch.engines import inline, local

        local.stop_on_signal()
        return inline.Inline(work)
    if args.engine == "ray":
        from jaxlic.batch.engines import ray

        return ray.OnRay(work, args.workers)
    from jaxlic.batch.engines import local

    return local.Local(work, args.workers)


def _status(folder: Any, errors: int) -> int:
    """Prints what the reports say."""
    from jaxlic.batch import job as jobs
    from jaxlic.batch import shard
    from jaxlic.batch.shard import Done
    from jaxlic.commands.pace import amount

    job, done, shown = jobs.existing(folder), Done(), []
    numbers = sorted(shard.finished(folder))
    pixels, measured, decibels = 0, 0, 0.0
    for rows in shard.each(folder, numbers):
        done.add(shard.summary(rows, len(job.arguments["qualities"])))
        good = [row for row in rows if row.error is None]
        pixels += sum(row.width * row.height for row in good)
        values = [row.psnr for row in good if row.psnr is not None]
        measured, decibels = measured + len(values), decibels + sum(values)
        shown += [row.error for row in rows if row.error and len(shown) < errors]
    say(f"{job.command} of {job.arguments['input']} by {job.model} ({job.stream})")
    say(
        f"{len(numbers):,} of {job.shards:,} shards, {done.images:,} of {job.images:,} images, "
        f"{amount(done.bytes_in)} in, {amount(done.bytes_out)} out, {done.failed:,} failed"
    )
    if pixels:
        mean = f", mean PSNR {decibels / measured:.2f} dB" if measured else ""
        say(f"{8 * done.bytes_out / pixels:.3f} bits a pixel{mean}")
    for error in dict.fromkeys(shown):
        say(error)
    return 0


def _model(name: str) -> str:
    from jaxlic.batch.store import absolute
    from jaxlic.models import shipped

    return name if name in shipped() else absolute(name)
