"""What `model.json` may say. A model folder comes from anywhere: all is checked here, before
anything is built of it.
"""

from __future__ import annotations

import json
import math
import re
import reprlib
from collections.abc import Mapping
from typing import Any

MAX_BYTES = 1 << 20
MAX_NUMBER = 255
MAX_INTEGER = 1024  # Of a setting that its builder does not limit otherwise.
MAX_FLOAT = 1e6
MAX_ITEMS = 8  # Of a list in the settings.
MAX_SETTINGS = 64
MAX_NAME = 1000
_MAX_DEPTH = 8
_ID = re.compile(r"[\w.-]{1,60}", re.ASCII)
_TEXT = re.compile(r"[\w./:+-]{0,60}", re.ASCII)


def parse(data: bytes) -> dict[str, Any]:
    """The object in the bytes of a `model.json`, checked by `check`.

    Raises:
        ValueError: if it is no JSON, too long or too deep, or not what a model says.
    """
    if len(data) > MAX_BYTES:
        raise ValueError(f"{len(data):,} bytes are too many")
    try:
        card = json.loads(data)
    except RecursionError as error:
        raise ValueError("is nested too deeply") from error
    check(card)
    return card


def check(card: Any) -> None:
    """Raises ValueError if what loading needs is missing, or of a wrong type."""
    if not isinstance(card, dict) or _depth(card) > _MAX_DEPTH:
        raise ValueError(f"must be an object, nested at most {_MAX_DEPTH} times")
    kinds = {"id": str, "number": int, "builder": str, "settings": dict}
    for name, kind in kinds.items():
        if type(card.get(name)) is not kind:
            raise ValueError(f"{name} must be of type {kind.__name__}")
    if not _ID.fullmatch(card["id"]):
        raise ValueError("id must be 1 to 60 letters, digits, dots, hyphens and underscores")
    if not _ID.fullmatch(card["builder"]):
        raise ValueError("builder must be a name of an architecture")
    if not 0 <= card["number"] <= MAX_NUMBER:
        raise ValueError(f"number must be in [0, {MAX_NUMBER}]")
    for name in ("parent", "sha256"):
        text = card.get(name, "")
        if not isinstance(text, str) or len(text) > MAX_NAME or not text.isprintable():
            raise ValueError(f"{name} must be a line of text")


def check_settings(settings: Mapping[str, Any], limits: Mapping[str, int]) -> None:
    """Raises ValueError if a setting is not a small number, a short text or a list of these.

    Args:
        settings: keywords of a builder.
        limits: by name the largest integers; of all others it is `MAX_INTEGER`.

    A setting may be the settings of a part, such as those of a refiner's base.
    """
    if len(settings) > MAX_SETTINGS:
        raise ValueError(f"{len(settings)} settings are too many")
    for name, value in settings.items():
        if not _ID.fullmatch(name):
            raise ValueError("settings have names of letters, digits and underscores")
        if isinstance(value, dict) and not any(isinstance(v, dict) for v in value.values()):
            check_settings(value, limits)
        elif not _is_setting(value, limits.get(name, MAX_INTEGER), 2):
            most = f"whole numbers up to {limits.get(name, MAX_INTEGER)}"
            shown = reprlib.repr(value)[:40]
            raise ValueError(f"setting {name} is out of bounds ({shown}; {most})")


def _is_setting(value: Any, largest: int, depth: int) -> bool:
    if value is None or isinstance(value, bool):
        return True
    if isinstance(value, int):
        return -largest <= value <= largest
    if isinstance(value, float):
        return math.isfinite(value) and abs(value) <= MAX_FLOAT
    if isinstance(value, str):
        return _TEXT.fullmatch(value) is not None
    if isinstance(value, list | tuple) and depth:
        items = len(value) <= MAX_ITEMS
        return items and all(_is_setting(item, largest, depth - 1) for item in value)
    return False


def _depth(value: Any) -> int:
    """How many containers lie within each other, found without recursion."""
    depth, level = 0, [value]
    while level := [v for v in level if isinstance(v, dict | list | tuple)]:
        depth += 1
        if depth > _MAX_DEPTH:
            break
        level = [item for v in level for item in (v.values() if isinstance(v, dict) else v)]
    return depth
