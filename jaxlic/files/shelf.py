"""Where models are: ids and folders, and what their `model.json` says."""

from __future__ import annotations

import contextlib
import json
import pathlib
from typing import Any

from jaxlic.errors import ModelError, one_line
from jaxlic.files import disk, schema
from jaxlic.files.weights import SHIPPED

CARD, WEIGHTS, SMALL = "model.json", "weights.safetensors", "weights.safetensors.gz"
_GENERATIONS = 4


def shipped() -> list[str]:
    """The ids of the shipped models: codecs in order of their numbers, then rescalers."""
    cards = [json.loads(p.read_text()) for p in SHIPPED.glob("*/model.json")]
    cards.sort(key=lambda card: (card["number"] == 0, card["number"], card["id"]))
    return [card["id"] for card in cards]


def folder(name: str | pathlib.Path) -> pathlib.Path:
    """The folder of a model, given its id or its path.

    Raises:
        ModelError: if there is none.
    """
    for candidate in (SHIPPED / str(name), pathlib.Path(name)):
        with contextlib.suppress(OSError):  # The name may be too long for one.
            if (candidate / CARD).is_file():
                return candidate
    raise ModelError(f"no model called {str(name)[:200]!r}; shipped are {', '.join(shipped())}")


def card(name: str | pathlib.Path) -> dict[str, Any]:
    """What `model.json` says; reads no weights. Raises ModelError."""
    path = folder(name) / CARD
    try:
        with disk.open_regular(path) as file:
            return schema.parse(file.read(schema.MAX_BYTES + 1))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: {one_line(error)}") from error


def weights_file(path: pathlib.Path) -> pathlib.Path:
    """The file of the weights in a model's folder, be it there or not; the plain one first."""
    plain, small = path / WEIGHTS, path / SMALL
    return small if small.is_file() and not plain.is_file() else plain


def check_lineage(path: pathlib.Path) -> None:
    """Raises ModelError if the parents of a model go round in a circle, or on and on."""
    seen, description = [path], card(path)
    while "parent" in description:
        if description["parent"] == description["id"]:
            raise ModelError(f"{description['id']}: cannot be its own parent")
        seen.append(folder(description["parent"]).resolve())
        if seen[-1] in seen[:-1] or len(seen) > _GENERATIONS:
            raise ModelError("has itself among its parents, or too many of them")
        description = card(seen[-1])
