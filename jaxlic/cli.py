"""The command line. Heavy imports wait until a command needs them, so that help is instant."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from jaxlic.commands import (
    batch,
    compress,
    decompress,
    downscale,
    evaluate,
    explain,
    export,
    info,
    kpi,
    models,
    study,
    targets,
    truncate,
    upscale,
)
from jaxlic.commands.messages import mute, remark, report, settle
from jaxlic.errors import Error

COMMANDS = (
    compress,
    decompress,
    truncate,
    downscale,
    upscale,
    info,
    models,
    evaluate,
    kpi,
    explain,
    export,
    targets,
    batch,
    study,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command. 0: all done; 2: something about the input; 130: interrupted."""
    # Threads of NumPy's OpenBLAS would spin for a while after each product, beside XLA's.
    os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "4")
    given = list(sys.argv[1:] if argv is None else argv)
    args = _parser().parse_args(decompress.refining(given))
    args.argv = given
    settle()
    from jaxlic.files.cache import keep_compiled

    keep_compiled(tell=remark)
    try:
        code = args.run(args)
        if sys.stdout is not None:
            sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        mute()
        return 0
    except (Error, OSError, MemoryError) as error:
        return report(error)


def _parser() -> argparse.ArgumentParser:
    from jaxlic import __version__

    parser = argparse.ArgumentParser(
        prog="jaxlic",
        description="Learned image compression: photographs to small .jlic files and back, "
        "or to thumbnails that any viewer opens and that grow back.",
        epilog="`jaxlic COMMAND --help` explains a command and gives examples.",
    )
    parser.add_argument("--version", action="version", version=f"jaxlic {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for command in COMMANDS:
        command.add(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
