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
        "  jaxlic export sain-x2 --part upscale --to onnx\n\n"
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
    program = portable.program(model, part, args.size, own=own)
    data = (portable.onnx if args.to == "onnx" else portable.stablehlo)(program)
    write(out, data)
    inputs = ", ".join(f"{n} {a.dtype}{list(a.shape)}" for n, a in program.inputs.items())
    say(f"{name(out)}: {len(data):,} bytes; {inputs} to {program.output}")
    return 0
