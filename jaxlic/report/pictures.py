"""The pictures of a page: inside of it while they are few, beside it in a folder when not."""

from __future__ import annotations

import base64
import hashlib
import pathlib
import re

from jaxlic.errors import UsageError
from jaxlic.files import disk

INLINE = 14_000_000  # Bytes; in base 64 they are a third more, within 20 MB.
FOLDER = "images"
PAGE = "index.html"
_OURS = re.compile(r"[0-9a-f]{20}\.webp")
_GENERATOR = b'<meta name="generator" content="jaxlic'


class Pictures:
    """Collects files of pictures, each once; names are of their content.

    Once there are more than `inline` bytes they are written below `folder` as they come: a page
    that stood there before keeps its own until `sweep`.
    """

    def __init__(self, folder: pathlib.Path, *, inline: int = INLINE) -> None:
        self.folder = folder / FOLDER
        self.inline = inline
        self._held: dict[str, bytes] = {}
        self._written: dict[str, int] = {}

    @property
    def beside(self) -> bool:
        """Whether there are too many for one file."""
        return bool(self._written)

    @property
    def size(self) -> int:
        """Bytes of all."""
        return sum(map(len, self._held.values())) + sum(self._written.values())

    def keep(self, data: bytes) -> str:
        """Takes a picture, returns its name."""
        name = hashlib.sha256(data).hexdigest()[:20]
        if name not in self._written:
            self._held[name] = data
        if self.size > self.inline or self._written:
            self.folder.mkdir(parents=True, exist_ok=True)
            while self._held:
                held, content = self._held.popitem()
                disk.write_bytes(self.folder / f"{held}.webp", content)
                self._written[held] = len(content)
        return name

    def sources(self) -> dict[str, str]:
        """By name what an `img` element's `src` has to be."""
        held = {
            name: "data:image/webp;base64," + base64.b64encode(data).decode()
            for name, data in self._held.items()
        }
        return held | {name: f"{FOLDER}/{name}.webp" for name in self._written}

    def sweep(self) -> None:
        """Removes what an earlier page of the same folder left."""
        if not self.folder.is_dir():
            return
        for file in self.folder.iterdir():
            if _OURS.fullmatch(file.name) and file.stem not in self._written:
                file.unlink()
        if not any(self.folder.iterdir()):
            self.folder.rmdir()


def check(folder: pathlib.Path) -> None:
    """Makes the folder of a page, which is new, empty, or an earlier page's.

    Raises:
        UsageError: if it is something else, and nothing in it is to be touched.
    """
    page = folder / PAGE
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder}: is not a folder")
    if page.is_file():
        with disk.open_regular(page) as file:
            if _GENERATOR not in file.read(2000):
                raise UsageError(f"{page}: is not a page of ours; choose another folder")
    elif folder.is_dir() and any(folder.iterdir()):
        raise UsageError(f"{folder}: holds other files; choose another folder")
    folder.mkdir(parents=True, exist_ok=True)
