"""Mutates what comes from outside, and reports what is not answered in one line.

    python -m tests.fuzzing TARGET --seconds 60 [--seed 0] [--findings DIR]
    python -m tests.fuzzing levels --count 100000

Targets: container, entropy, payload, levels, notes, models, images. A finding is an exception
that is no `jaxlic.errors.Error`, 10 seconds of work or 30 of waiting, or a gigabyte; its input
is kept in DIR, as is the last one, should the process die. Seeds lie in `tests/corpus/`, made
by `python -m tests.corpus.make`.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import dataclasses
import json
import mmap
import pathlib
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxlic.errors import Error

CORPUS = pathlib.Path(__file__).parent / "corpus"
_SECONDS, _MEGABYTES = 10, 1024
_LAST = 1 << 22
_BYTES = (0, 1, 0x7F, 0x80, 0xFE, 0xFF)
_NUMBERS = (0, 1, 0x7FFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
# What JSON may hold where something else was expected.
_VALUES: tuple[Any, ...] = (
    None, True, 0, -1, 1, 2, 7, 64, 255, 1024, 1025, 2**31, 10**40, 0.5, 1e-9, 1e308, "",
    "haar", "V1", "E9", "dkic", "base", "x" * 2000, "\n", "\ud800", [], [1], [1, 1], [1] * 9,
    [[[]]], {}, {"a": {}}, [4, 2, 1], ["haar", "E1"],
)  # fmt: skip


class Target(NamedTuple):
    """Something that takes bytes.

    Attributes:
        seeds: what is mutated.
        run: takes a mutation; raises Error if it is refused.
        change: makes a mutation of a seed.
    """

    seeds: Sequence[bytes]
    run: Callable[[bytes], object]
    change: Callable[[bytes, random.Random], bytes]


@dataclasses.dataclass
class Report:
    """What became of a target."""

    target: str
    mutations: int = 0
    accepted: int = 0
    seconds: float = 0.0
    findings: dict[str, bytes] = dataclasses.field(default_factory=dict)

    def __str__(self) -> str:
        """One line, and one more for each finding."""
        lines = [
            f"{self.target}: {self.mutations:,} mutations in {self.seconds:.0f} s, "
            f"{self.accepted:,} accepted, {len(self.findings)} findings"
        ]
        return "\n".join([*lines, *self.findings])


def fuzz(
    name: str,
    *,
    seconds: float = float("inf"),
    count: int = sys.maxsize,
    seed: int = 0,
    findings: pathlib.Path | None = None,
) -> Report:
    """Mutates a target for some seconds or times; a seed gives the same mutations again."""
    rng, report = random.Random(f"{name} {seed}"), Report(name)
    with TARGETS[name]() as target, _recorded(findings, name) as record:
        began = time.monotonic()
        while report.mutations < count and time.monotonic() - began < seconds:
            data = target.change(rng.choice(target.seeds), rng)
            record(data)
            report.mutations += 1
            found = _tried(target.run, data)
            report.accepted += found is None
            if found and found not in report.findings:
                report.findings[found] = data
                if findings is not None:
                    place = findings / f"{name}-{seed}-{len(report.findings)}"
                    place.write_bytes(data)
        report.seconds = time.monotonic() - began
    return report


def _tried(run: Callable[[bytes], object], data: bytes) -> str | None:
    """None if the data was accepted, "" if it was refused, else what went wrong."""
    before, began = _peak(), time.process_time()
    signal.setitimer(signal.ITIMER_REAL, 3 * _SECONDS)
    try:
        run(data)
        found = None
    except Error as error:
        found = "" if "\n" not in str(error) and str(error) else f"not one line: {error!r}"
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        found = f"{type(error).__name__} at {pathlib.Path(where.filename).name}:{where.lineno}"
        found += f" ({str(error)[:100]!r})"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    if time.process_time() - began > _SECONDS:
        return f"took {time.process_time() - began:.0f} s"
    if _peak() - before > _MEGABYTES:
        return f"took {_peak() - before} MB"
    return found


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10


def _alarm(number: int, frame: object) -> None:
    raise TimeoutError("hangs")


@contextlib.contextmanager
def _recorded(folder: pathlib.Path | None, name: str) -> Iterator[Callable[[bytes], None]]:
    """Keeps the last input where it outlives the process."""
    before = signal.signal(signal.SIGALRM, _alarm)
    try:
        if folder is None:
            yield lambda data: None
            return
        folder.mkdir(parents=True, exist_ok=True)
        with open(folder / f"{name}-last", "w+b") as file:
            file.truncate(_LAST)
            with mmap.mmap(file.fileno(), _LAST) as last:

                def record(data: bytes) -> None:
                    last[:8] = len(data).to_bytes(8, "little")
                    last[8 : 8 + len(data)] = data[: _LAST - 8]

                yield record
    finally:
        signal.signal(signal.SIGALRM, before)


def change(data: bytes, rng: random.Random) -> bytes:
    """One to four changes of bytes anywhere."""
    out = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        i, kind = rng.randrange(len(out) + 1), rng.randrange(8)
        j = min(len(out), i + rng.randint(1, 16))
        if kind == 0:
            out[i:j] = bytes(rng.choice(_BYTES) for _ in range(j - i))
        elif kind == 1:
            out[i : i + 1] = bytes([rng.randrange(256)])
        elif kind == 2 and i < len(out):
            out[i] ^= 1 << rng.randrange(8)
        elif kind == 3:
            number = rng.choice(_NUMBERS) + rng.randint(-2, 2)
            order = rng.choice(["little", "big"])
            out[i : i + 4] = (number & 0xFFFFFFFF).to_bytes(4, order)
        elif kind == 4:
            del out[i:j]
        elif kind == 5:
            out[i:i] = out[j : j + rng.randint(1, 32)]
        elif kind == 6:
            out[i:i] = rng.randbytes(rng.randint(1, 8))
        elif rng.random() < 0.3:
            del out[i:]
    return bytes(out)


def _files(folder: str) -> list[bytes]:
    return [p.read_bytes() for p in sorted((CORPUS / folder).iterdir()) if p.is_file()]


def resealed(data: bytes, rng: random.Random, chosen: Sequence[str] | None = None) -> bytes:
    """A file whose checksums hold: what someone can make who knows the format.

    Fields of the header that are `chosen` are other ones; None chooses.
    """
    from jaxlic.files import bitstream

    file = bitstream.unpack(data)
    h = file.header
    fields: dict[str, Any] = {
        "model": rng.randrange(256),
        "fingerprint": rng.randbytes(4),
        "quality": rng.randint(100, 10_000),
        "height": rng.choice([1, h.height + rng.randint(-9, 9), rng.randint(1, 1 << 20)]),
        "width": rng.choice([1, h.width + rng.randint(-9, 9), rng.randint(1, 1 << 20)]),
        "coder": rng.randrange(4),
        "tiles": rng.choice([1, 2, h.tiles + 1, 500]),
        "levels": rng.choice([1, 2, 127]),
        "exact": rng.random() < 0.5,
        "version": rng.choice([1, 2]),
    }
    if chosen is None:
        chosen = rng.sample(sorted(fields), rng.choice([0, 0, 1, 2, 3]))
    header = dataclasses.replace(h, **{name: fields[name] for name in chosen})
    # One for all: files of 500 tiles are to be made quickly.
    payload = change(file.payloads[0][0], rng)
    payloads = ((payload,) * header.levels,) * header.tiles
    extras = {
        name: None if rng.random() < 0.3 else change(getattr(file, name) or b"", rng)
        for name in ("alpha", "icc")
        if rng.random() < 0.4
    }
    try:
        return bitstream.pack(
            dataclasses.replace(file, header=header, payloads=payloads, **extras)
        )
    except ValueError:  # Sizes that cannot be written.
        return change(data, rng)


def _sometimes(
    first: Callable[[bytes, random.Random], bytes], share: float
) -> Callable[[bytes, random.Random], bytes]:
    return lambda data, rng: (first if rng.random() < share else change)(data, rng)


@contextlib.contextmanager
def _container() -> Iterator[Target]:
    from jaxlic import account
    from jaxlic.files import bitstream

    def run(data: bytes) -> None:
        bitstream.profile(bitstream.unpack(data))
        if data[-1] % 16 == 0:  # It takes longer than all the rest.
            account.describe(data)

    yield Target(_files("container"), run, _sometimes(resealed, 0.3))


@contextlib.contextmanager
def _entropy() -> Iterator[Target]:
    """The decoder over the tables of a model, asked for rows that the data choose."""
    from jaxlic import models
    from jaxlic.entropy import range_coder
    from jaxlic.files import bitstream

    tables = models.load_model("base").tables
    seeds = [bitstream.unpack(data).payloads[0][0] for data in _files("container")]

    def run(data: bytes) -> None:
        rows = np.random.default_rng(len(data))
        decoder = range_coder.CONSTRICTION.decoder(data, tables)
        decoder.get("factorized", np.broadcast_to(np.arange(96), (1, 2, 2, 96)))
        decoder.get("gaussian", rows.integers(0, 64, rows.integers(1, 400)))
        decoder.finish()

    def whole_words(data: bytes, rng: random.Random) -> bytes:
        data = change(data, rng)
        return data if rng.random() < 0.1 else data[: len(data) & ~3]

    yield Target(seeds, run, whole_words)


@contextlib.contextmanager
def _payload() -> Iterator[Target]:
    """A whole decoder, from the file to the image, with checksums that hold."""
    import jaxlic

    codec = jaxlic.load("base")
    seeds = _files("container")

    def one_tile(data: bytes, rng: random.Random) -> bytes:
        return resealed(data, rng, rng.choice([(), (), ("quality",), ("coder",)]))

    yield Target(seeds, codec.decode, one_tile)


@contextlib.contextmanager
def _levels() -> Iterator[Target]:
    """Files in levels, cut and mutated, from the file to the latents."""
    import jaxlic
    from jaxlic.files import bitstream, levels
    from tests.levelled import QUALITY, folder

    with tempfile.TemporaryDirectory() as made:
        codec = jaxlic.load(folder(pathlib.Path(made, "levelled")))
        image = np.random.default_rng(0).integers(0, 256, (70, 64, 3)).astype(np.uint8)
        seed = codec.compress(image[:64], QUALITY)

        def run(data: bytes) -> None:
            whole, written = levels.count(data)
            if levels.count(levels.truncate(data, level=1)) != (1, written):
                raise AssertionError("its first level is not one level")
            if not np.isfinite(codec.latents(data, max_pixels=64 * 64)).all():
                raise AssertionError(f"level {whole} of {written} decodes to no numbers")

        def changed(data: bytes, rng: random.Random) -> bytes:
            kind = rng.randrange(4)
            if kind == 0:
                return data[: rng.randrange(len(data) + 1)]
            if kind == 1:
                return change(data, rng)
            file = bitstream.unpack(data)  # Checksums that hold.
            tile = list(file.payloads[0])
            for _ in range(rng.randint(1, 2)):
                level = rng.randrange(len(tile))
                tile[level] = change(tile[level], rng)
                tile[level] = tile[level][: len(tile[level]) & ~3]
            packed = bitstream.pack(dataclasses.replace(file, payloads=(tuple(tile),)))
            return packed[: rng.randrange(len(packed) + 1)] if kind == 2 else packed

        yield Target([seed], run, changed)


@contextlib.contextmanager
def _notes() -> Iterator[Target]:
    from jaxlic import thumbnail
    from jaxlic.files import images

    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "note.jpg")

        def run(data: bytes) -> None:
            path.write_bytes(data)
            thumbnail.note_of(path)
            comment = images.comment_of(path)
            if comment is not None and not (comment.isprintable() and len(comment) <= 200):
                raise AssertionError(repr(comment))

        def inside(data: bytes, rng: random.Random) -> bytes:
            """Most changes where the metadata are."""
            start = max(data.find(b"jaxlic") - 150, 0)
            return data[:start] + change(data[start : start + 250], rng) + data[start + 250 :]

        yield Target(_files("notes"), run, _sometimes(inside, 0.8))


@contextlib.contextmanager
def _images() -> Iterator[Target]:
    from jaxlic.files import images

    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "image.png")
        other = path.with_suffix(".jxl")

        def run(data: bytes) -> None:
            place = other if data[:2] == b"\xff\x0a" or data[4:8] == b"JXL " else path
            place.write_bytes(data)
            picture = images.read(place)
            if picture.rgb.dtype != np.uint8 or picture.rgb.shape[2:] != (3,):
                raise AssertionError(f"{picture.rgb.dtype} {picture.rgb.shape}")

        yield Target(_files("images"), run, change)


@contextlib.contextmanager
def _models() -> Iterator[Target]:
    from jaxlic import models

    with tempfile.TemporaryDirectory() as made:
        place = pathlib.Path(made, "m")
        seeds = [_joined(CORPUS / "models" / "rescaler"), _joined(_codec_folder(made))]

        def run(data: bytes) -> None:
            card, weights = _parted(data)
            place.mkdir(exist_ok=True)
            (place / "model.json").write_bytes(card)
            (place / "weights.safetensors").write_bytes(weights)
            models._load_model.cache_clear()
            try:
                models.load_model(place)
            except Error as error:
                if str(place) not in str(error):
                    raise AssertionError(f"names no folder: {error}") from error
                raise

        yield Target(seeds, run, _changed_model)
        shutil.rmtree(place, ignore_errors=True)


def _joined(folder: pathlib.Path) -> bytes:
    card = (folder / "model.json").read_bytes()
    return (
        len(card).to_bytes(4, "little") + card + (folder / "weights.safetensors").read_bytes()
    )


def _parted(data: bytes) -> tuple[bytes, bytes]:
    end = 4 + int.from_bytes(data[:4], "little")
    return data[4:end], data[end:]


def _changed_model(data: bytes, rng: random.Random) -> bytes:
    """Values in the description or in the header of the weights, or bytes of either."""
    card, weights = _parted(data)
    description = json.loads(card)
    description.pop("sha256", None)
    end = 8 + int.from_bytes(weights[:8], "little")
    kind = rng.randrange(5)
    if kind == 0:
        _put_somewhere(description, rng)
    elif kind == 1:
        _put_somewhere(description["settings"], rng)
    elif kind == 2:
        header = json.loads(weights[8:end])
        _put_somewhere(header, rng)
        text = json.dumps(header).encode()
        weights = len(text).to_bytes(8, "little") + text + weights[end:]
    elif kind == 3:
        # Few of the bytes are the header's, and most of the others are as good as any.
        weights = change(weights[:end], rng) + weights[end:]
        if rng.random() < 0.5:
            weights = weights[:end] + change(weights[end:], rng)
    card = json.dumps(description).encode()
    if kind == 4:
        card = change(card, rng)
    return len(card).to_bytes(4, "little") + card + weights


def _put_somewhere(tree: Any, rng: random.Random) -> None:
    for _ in range(rng.randint(1, 3)):
        inner = tree
        while True:
            keys: list[Any] = (
                list(inner) if isinstance(inner, dict) else list(range(len(inner)))
            )
            if not keys:
                break
            key = rng.choice(keys)
            if isinstance(inner[key], dict | list) and inner[key] and rng.random() < 0.7:
                inner = inner[key]
                continue
            if rng.random() < 0.15:
                del inner[key]
            elif isinstance(inner, dict) and rng.random() < 0.1:
                inner[str(rng.choice(_VALUES))[:20]] = inner.pop(key)
            else:
                inner[key] = copy.deepcopy(rng.choice(_VALUES))
            break


def _codec_folder(made: str) -> pathlib.Path:
    """A small codec with tables; too large to be kept in the corpus."""
    import jax

    from jaxlic import models
    from tests.random_params import random_params

    settings = dict(features=8, latents=16, hidden=8, blocks=[1, 1])
    spec = models.Spec("hyperprior.lapped", settings)
    codec = models.assemble(spec)
    example = np.zeros((1, 64, 64, 3), np.float32)
    params = random_params(codec.init, example, jax.random.key(0), scale=0.01)
    folder = pathlib.Path(made, "codec")
    models.save_model(folder, params, spec, {"id": "tiny", "number": 0})
    return folder


TARGETS: dict[str, Callable[[], contextlib.AbstractContextManager[Target]]] = {
    "container": _container,
    "entropy": _entropy,
    "payload": _payload,
    "levels": _levels,
    "notes": _notes,
    "models": _models,
    "images": _images,
}


def main(argv: list[str] | None = None) -> int:
    """Runs the command. 0 if nothing was found, else 1."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzzing", description=__doc__)
    parser.add_argument("target", choices=sorted(TARGETS))
    parser.add_argument("--seconds", type=float, help="default 60, or none with --count")
    parser.add_argument("--count", type=int, help="of mutations")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--findings", type=pathlib.Path, default=pathlib.Path("fuzz-findings"))
    args = parser.parse_args(argv)
    warnings.simplefilter("ignore")
    seconds = args.seconds or (60.0 if args.count is None else float("inf"))
    report = fuzz(
        args.target,
        seconds=seconds,
        count=args.count or sys.maxsize,
        seed=args.seed,
        findings=args.findings,
    )
    print(report)
    return 1 if report.findings else 0


if __name__ == "__main__":
    sys.exit(main())
