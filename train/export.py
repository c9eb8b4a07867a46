"""Turns a training run into a model folder: `python -m train.export WORKDIR OUT`."""

from __future__ import annotations

import argparse
import json
import pathlib
import sys
import tempfile
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxlic import coding
from jaxlic.core import Codec, Params
from jaxlic.entropy.range_coder import Decoder, RangeCoder, escape
from jaxlic.entropy.tables import TableSets, calibrated
from jaxlic.files import weights

if TYPE_CHECKING:
    from jaxlic.models import Model
    from train.crops import Source
    from train.experiment import Experiment

_CROPS = 600

EPILOG = """example:
  python -m train.export runs/base mymodel
  jaxlic compress photo.jpg --model ./mymodel

The averaged (EMA) parameters of the last checkpoint are written, as float16 and int8, with
the integer tables of the entropy coder and model.json; `train.card` writes a card beside them.
Note that the run's own config.py is executed: export only runs you trust."""


def main(argv: list[str] | None = None) -> int:
    """Runs the command; returns its exit code."""
    args = _parser().parse_args(argv)

    from jaxlic.errors import Error

    try:
        if not args.force and args.out.is_dir() and any(args.out.iterdir()):
            raise FileExistsError(f"{args.out}: is not empty; use --force to replace a model")
        export(
            args.workdir,
            args.out,
            id_=args.id,
            number=args.number,
            folder=args.calibrate,
            parent=args.parent,
            stream=args.stream,
            small=args.small,
        )
    except Error as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        place = "" if error.filename is None else f"{error.filename}: "
        print(f"error: {place}{error.strerror or error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped; nothing was written", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m train.export",
        description="Write the weights of a training run for use with jaxlic.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("workdir", type=pathlib.Path, help="a workdir of `python -m train`")
    parser.add_argument("out", type=pathlib.Path, help="the folder to write")
    parser.add_argument("--id", help="name of the model (default: the config's)")
    parser.add_argument(
        "--number", type=int, default=0, help="only for shipped models: what files call it"
    )
    parser.add_argument(
        "--parent",
        metavar="MODEL",
        help="write only what differs from this model; it is needed to load the new one",
    )
    parser.add_argument(
        "--calibrate",
        metavar="DATA",
        help="fit the tables to symbols counted on these training images (as --data)",
    )
    parser.add_argument(
        "--stream",
        metavar="MODEL",
        help="take what files depend on, entropy model and tables, from this model: its "
        "files can be read with the new weights (after decoder_only=true)",
    )
    parser.add_argument(
        "--small",
        action="store_true",
        help="kernels with less than seven bits a value, deflated: over a quarter less bytes",
    )
    parser.add_argument(
        "-f", "--force", action="store_true", help="replace what the folder holds of a model"
    )
    return parser


def export(
    workdir: pathlib.Path,
    out: pathlib.Path,
    *,
    id_: str | None,
    number: int,
    folder: str | pathlib.Path | None = None,
    parent: str | None = None,
    stream: str | None = None,
    small: bool = False,
) -> None:
    """Writes the EMA parameters of the last sound checkpoint in `workdir` to the folder `out`.

    With the training images' `folder` the tables are calibrated on them, at the qualities that
    were trained for. With a `parent` what is as in that model is left out. With `stream`, a
    model, what its files depend on is taken from there. `small` is `models.save_model`'s.

    Raises:
        FileNotFoundError: if the run or its checkpoint is missing.
        OSError: if its files cannot be read, or `out` not be made.
        train.experiment.ConfigError: if its config, or what is recorded of it, cannot be used;
            or files of `stream` cannot be read with its weights.
        train.saving.CheckpointError: if none of its checkpoints can be read.
        jaxlic.ModelError: if decoding with its parameters would not be exact.
    """
    import jax

    from jaxlic.core import Rescaler
    from jaxlic.errors import ModelError
    from jaxlic.models import load_model, save_model
    from train.adversary import codec_alone
    from train.experiment import ConfigError, load_experiment
    from train.saving import restore
    from train.sources import images_at
    from train.step import init_state

    if not (workdir / "settings.json").is_file():
        raise FileNotFoundError(f"{workdir}: not a training run")
    settings = _recorded(workdir / "settings.json")
    provenance = _recorded(workdir / "provenance.json")
    e = load_experiment(workdir / "config.py", settings)
    if folder is not None and (isinstance(e.codec, Rescaler) or e.teacher is not None):
        whose = "a student has its teacher's" if e.teacher else "a rescaler has no"
        raise ConfigError(f"{workdir}: {whose} tables, there are none to calibrate")
    # Zeros to restore into: no initialiser has to be compiled for that.
    shapes = jax.eval_shape(lambda: init_state(e))
    found = restore(workdir, jax.tree.map(lambda a: np.zeros(a.shape, a.dtype), shapes))
    if found is None:
        raise FileNotFoundError(f"{workdir}: holds no checkpoint yet")
    for text in found.notes:
        print(f"note: {text}", file=sys.stderr)
    step, params = found.step, codec_alone(found.state.ema)
    description: dict[str, Any] = {"id": id_ or e.name, "number": number}
    description["training"] = _told(e, step, workdir) | provenance
    if parent is not None:
        description["parent"] = parent
    tables = None
    if e.teacher is not None:
        description["parent"] = parent = e.teacher if parent is None else parent
        tables = load_model(parent, builders=e.builders).tables
    before = None if stream is None else load_model(stream, builders=e.builders)
    if before is not None:
        if folder is not None:
            raise ConfigError(f"{stream}: its tables are taken, there are none to calibrate")
        tables, params = before.tables, _with_stream(params, before)

    def save(out: pathlib.Path) -> None:
        save_model(out, params, e.spec, description, tables, builders=e.builders, small=small)

    if folder is not None or before is not None:
        with tempfile.TemporaryDirectory() as scratch:  # Symbols are those of rounded weights.
            save(pathlib.Path(scratch))
            try:
                model = load_model(scratch, builders=e.builders)
            except ModelError as error:
                text = str(error).replace(scratch, str(workdir))
                of = "" if stream is None else f", with what files of {stream} depend on"
                raise ConfigError(f"{text}{of}") from error
        if folder is not None:
            source = images_at(folder)
            tables = calibrate(model, source, e.qualities, held_out=e.held_out)
            description["training"]["calibrated_on"] = _CROPS
        elif before is not None and model.stream != before.stream:
            raise ConfigError(f"{workdir}: files of {stream} cannot be read with its weights")
    save(out)


def _told(e: Experiment, step: int, workdir: pathlib.Path) -> dict[str, Any]:
    """What the model card says of the training."""
    return {
        "steps": step,
        "batch": e.batch,
        "crop": e.crop,
        "seed": e.seed,
        "settings": _recorded(workdir / "settings.json"),
        "minutes": round(_minutes(workdir / "metrics.jsonl"), 1),
    }


def _with_stream(params: Params, known: Model) -> Params:
    """`params`, with what files depend on as in a known model."""
    from train.experiment import ConfigError

    if not isinstance(known.codec, Codec):
        raise ConfigError(f"{known.id}: is no codec, and writes no files")
    path, there = tuple(known.codec.entropy_path), weights.flat(known.params)
    taken = {name: a for name, a in there.items() if name.startswith(path)}
    return weights.tree(weights.flat(params) | taken)


def calibrate(
    model: Model, packed: Source, qualities: tuple[float, float], *, held_out: int
) -> TableSets:
    """The tables of `model`, fitted to its symbols on crops of the training images.

    Crops of at most 256x256 pixels at qualities that cover the range that was trained for;
    which ones depends on the images alone.
    """
    from rich.console import Console
    from rich.progress import track

    from train.crops import split

    assert isinstance(model.codec, Codec)
    counts: dict[str, dict[int, np.ndarray]] = {name: {} for name in model.tables}

    class Counter:
        """An encoder that counts entries of table rows."""

        def put(self, table: str, symbols: np.ndarray, indexes: np.ndarray) -> None:
            rows, indexes = model.tables[table], indexes.ravel()
            entries, _ = escape(symbols.ravel(), indexes, rows)
            for i in np.unique(indexes):
                seen = np.bincount(entries[indexes == i], minlength=rows.sizes[i])
                counts[table][int(i)] = counts[table].get(int(i), 0) + seen

        def finish(self) -> bytes:
            return b""

    def no_decoder(data: bytes, tables: TableSets) -> Decoder:
        raise NotImplementedError("symbols are only counted")

    coder = RangeCoder("counter", 0, lambda tables: Counter(), no_decoder)
    rng, (chosen, _) = np.random.default_rng(0), split(packed, held_out)
    low, high = qualities
    for k in track(range(_CROPS), "calibrating", console=Console(stderr=True)):
        image = packed[chosen[rng.integers(len(chosen))]]
        top, left = (rng.integers(max(n - 256, 0) + 1) for n in image.shape[:2])
        crop = np.ascontiguousarray(image[top : top + 256, left : left + 256])
        quality = low + (high - low) * (k + 0.5) / _CROPS
        coding.compress(
            model.codec, model.params, model.tables, crop, quality, range_coder=coder
        )
    return {name: calibrated(rows, counts[name]) for name, rows in model.tables.items()}


def _recorded(path: pathlib.Path) -> dict[str, Any]:
    from train.experiment import ConfigError

    try:
        found = json.loads(path.read_text())
    except ValueError as error:
        raise ConfigError(f"{path}: damaged ({error})") from error
    if not isinstance(found, dict):
        raise ConfigError(f"{path}: damaged (no object)")
    return found


def _minutes(log: pathlib.Path) -> float:
    """Time spent training: between the records in the log, but for the pauses of the run."""
    import datetime

    total, last = 0.0, None
    for line in log.read_text().splitlines():
        try:
            record = json.loads(line)
        except ValueError:
            continue  # Cut off when the run was killed.
        now = datetime.datetime.fromisoformat(record["time"])
        # Logs of old runs have no "start".
        if last is not None and record["kind"] not in ("start", "resume"):
            total += (now - last).total_seconds()
        last = now
    return total / 60


if __name__ == "__main__":
    sys.exit(main())
