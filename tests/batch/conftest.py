"""Jobs of a few small images, in memory or in a folder."""

import importlib.util
import io
import uuid

import numpy as np
import pytest
from PIL import Image

from jaxlic.batch.store import Store
from jaxlic.batch.tasks import Coded, Task
from tests.conftest import kodim

if not all(map(importlib.util.find_spec, ("fsspec", "pyarrow"))):  # jaxlic[batch]
    collect_ignore_glob = ["*test_*.py"]

ARGUMENTS = {
    "model": "base",
    "qualities": [40.0],
    "coder": "constriction",
    "psnr": False,
    "max_pixels": 100_000_000,
}


def png(height: int, width: int, shift: int = 0) -> bytes:
    """A PNG of a piece of a photograph."""
    out = io.BytesIO()
    rgb = np.roll(kodim("kodim05_crop"), shift, axis=1)[:height, :width]
    Image.fromarray(rgb).save(out, "PNG")
    return out.getvalue()


@pytest.fixture
def store():
    """An empty folder in memory."""
    return Store(f"memory://{uuid.uuid4().hex}/job", patience=0.2)


@pytest.fixture
def photos(store):
    """The URL of a folder beside it with five images, one of them damaged."""
    folder = Store(store.root.replace("/job", "/photos"))
    for i in range(4):
        folder.write(f"{i}.png", png(20, 30 + 60 * (i % 2), i))
    folder.write("bad.png", b"\x89PNG\r\n\x1a\n and then nothing that a PNG has")
    folder.write("notes.txt", b"no image")
    return folder.root


def counting(suffix: str = ".bin", qualities: tuple[float, ...] = (40.0,)) -> Task:
    """A task that needs no model: the bytes of an image are its mean."""

    def run(pictures):
        return [
            [Coded(picture.rgb.mean(dtype="f4").tobytes())] * len(qualities)
            for picture in pictures
        ]

    return Task(
        model="mean",
        stream="00",
        pixels="00",
        qualities=qualities,
        suffix=suffix,
        max_pixels=10_000,
        kind=lambda height, width: ((height // 64, width // 64),),
        warm=lambda kinds: None,
        run=run,
    )
