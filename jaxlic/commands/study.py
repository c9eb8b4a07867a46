"""jaxlic study: make, serve, analyse."""

from __future__ import annotations

from typing import Any

from jaxlic.commands import study_make, study_run


def add(commands: Any) -> None:
    """The parsers of its three steps."""
    help_ = "ask people which pictures differ more from the original; work out what they say"
    parser = commands.add_parser(
        "study",
        help=help_,
        description=help_.capitalize() + ".",
        epilog="`jaxlic study STEP --help` explains a step and gives examples.",
    )
    steps = parser.add_subparsers(metavar="STEP", required=True)
    study_make.add(steps)
    study_run.add_serve(steps)
    study_run.add_analyse(steps)
