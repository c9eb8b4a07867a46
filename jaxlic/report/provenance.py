"""What a figure came from: versions, machine, the command."""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
import shlex
from collections.abc import Sequence

PACKAGES = ("jax", "jaxlib", "flax", "numpy", "constriction", "pillow", "imagecodecs")


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that decide bytes and pixels."""
    import jaxlic
    from jaxlic.files import classic

    found = {"jaxlic": jaxlic.__version__, "Python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found | classic.libraries()


def machine() -> str:
    """Processor and device, without the names of host and user."""
    import jax

    device = jax.devices()[0]
    return (
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors, "
        f"JAX on {device.platform} ({device.device_kind})"
    )


def command(argv: Sequence[str]) -> str:
    """The command line as a shell would take it."""
    return shlex.join(["jaxlic", *argv])


def now() -> str:
    """The date and time in UTC, to the minute."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")
