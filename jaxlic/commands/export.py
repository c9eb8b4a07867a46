"""jaxlic export."""

from __future__ import annotations

import argparse
import os
import pathlib
import re
from typing import Any

from jaxlic.commands import options
from jaxlic.commands.files import write
from jaxlic.commands.messages import name, say
from jaxlic.errors import UsageError

_PHOTOS = 9
SUFFIXES = {"stablehlo": ".stablehlo", "onnx": ".onnx"}


def add(commands: Any) -> None:
    """The parser."""
    parser = options.command(
        commands,
        "export",
        run,
        "write a network of a model for other runtimes",
        "  jaxlic export base --to onnx --size 768x512\n"
        "  jaxlic export base --part analysis --to stablehlo -o analysis.stablehlo\n"
        "  jaxlic export sain-x2 --part upscale --to onnx\n"
        "  jaxlic export base --int8 photos/ -o base-int8.onnx\n\n"
        "Bytes to latents is the entropy coder's, which is not in it: jaxlic.load(MODEL)\n"
        ".latents(data) gives what the synthesis takes. Needs pip install 'jaxlic[export]'.",
    )
    parser.add_argument("model", help="a shipped model's id or a folder")
    parser.add_argument(
        "--to", choices=sorted(SUFFIXES), default="onnx", help="the format, default onnx"
    )
    parser.add_argument(
        "--part",
        choices=("synthesis", "analysis", "upscale"),
        help="which network; default synthesis, of a rescaler upscale",
    )
    parser.add_argument(
        "--size",
        type=size,
        default=(512, 768),
        metavar="WxH",
        help="of the images, multiples of the model's stride; default 768x512",
    )
    parser.add_argument(
        "--int8",
        type=pathlib.Path,
        metavar="FOLDER",
        help="quantise the synthesis to int8 (ONNX alone), with ranges from the photographs of "
        "this folder; the last of up to 9 is left to measure the loss on",
    )
    options.add_output(parser, "the file; default MODEL-PART.onnx or .stablehlo")
    options.add_code(parser)


def size(text: str) -> tuple[int, int]:
    """`768x512` as (512, 768)."""
    found = re.fullmatch(r"(\d{1,5})x(\d{1,5})", text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form 768x512")
    width, height = map(int, found.groups())
    if width * height > options.MAX_PIXELS:
        raise argparse.ArgumentTypeError(f"{text} is more than {options.MAX_PIXELS} pixels")
    return height, width


def run(args: argparse.Namespace) -> int:
    """Writes one file."""
    from jaxlic import models, portable
    from jaxlic.commands.code import builders_in
    from jaxlic.core import Codec

    own = builders_in(args.code)
    model = models.load_model(args.model, builders=own)
    part = args.part or ("synthesis" if isinstance(model.codec, Codec) else "upscale")
    out = args.output or pathlib.Path(f"{model.id}-{part}{SUFFIXES[args.to]}")
    if os.path.lexists(out) and not args.force:
        raise UsageError(f"{out}: exists; use --force to replace it")
    if args.int8 is not None and (args.to != "onnx" or part != "synthesis"):
        raise UsageError("--int8 is for the synthesis as ONNX alone")
    photos = None if args.int8 is None else _photographs(args.int8)
    program = portable.program(model, part, args.size, own=own)
    data = (portable.onnx if args.to == "onnx" else portable.stablehlo)(program)
    if photos is not None:
        data = _quantised(data, model, photos, args.size, program.output)
    write(out, data)
    inputs = ", ".join(f"{n} {a.dtype}{list(a.shape)}" for n, a in program.inputs.items())
    say(f"{name(out)}: {len(data):,} bytes; {inputs} to {program.output}")
    return 0


def _photographs(folder: pathlib.Path) -> list[Any]:
    """Up to nine photographs of a folder, spread over it; two at least."""
    from jaxlic.commands.files import photographs, picture

    found = photographs(folder)
    if len(found) < 2:
        raise UsageError(f"{folder}: int8 needs two photographs or more, to fit and to measure")
    step = max(len(found) // _PHOTOS, 1)
    return [picture(path).rgb for path in found[::step][:_PHOTOS]]


def _quantised(data: bytes, model: Any, photos: list[Any], shape: Any, output: str) -> bytes:
    """The program in int8; says what that loses."""
    from jaxlic import int8
    from jaxlic.api import ImageCodec

    *fitted, held_out = (int8.examples(ImageCodec(model), [p], shape) for p in photos)
    small = int8.quantised(data, [example for group in fitted for example in group])
    loss = int8.compare(data, small, held_out, output)
    say(
        f"int8, on a photograph left out, quality 10 to 90: {loss.db:.2f} dB lost, at most "
        f"{loss.worst_db:.2f}; {loss.mean:.2f} levels of 255 apart, at most {loss.levels}"
    )
    return small
