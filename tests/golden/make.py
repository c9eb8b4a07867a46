"""Adds golden files for a model: `python -m tests.golden.make base` (with TFC for all of them).

For a rescaler two thumbnails, and what they grow back to; for a codec in levels a file and its
first four levels.
"""

import hashlib
import importlib.util
import json
import pathlib
import sys

import numpy as np

from jaxlic import api
from jaxlic.api import ImageCodec
from jaxlic.entropy.detail import DRAWN
from jaxlic.files import images, levels
from jaxlic.files.images import Picture
from jaxlic.thumbnail import ImageRescaler, restore
from tests.conftest import DATA

FOLDER = pathlib.Path(__file__).parent
CASES = {
    "low": (5.0, "constriction", (0, 0, 96, 128)),
    "middle": (50.0, "constriction", (33, 20, 97, 71)),
    "high": (100.0, "constriction", (64, 64, 128, 64)),
    "whole": (55.0, "constriction", (0, 0, 192, 256)),
    "alpha": (40.0, "constriction", (10, 10, 40, 50)),
    "grey": (20.0, "constriction", (50, 90, 70, 90)),
    "tfc": (40.0, "tfc", (0, 100, 80, 64)),
}


def main(model: str) -> None:
    """Writes files, images and their entries in `golden.json`."""
    listing = FOLDER / "golden.json"
    golden = json.loads(listing.read_text()) if listing.exists() else {}
    codec = api.load(model)
    photo = images.read(DATA / "kodim23_crop.png").rgb
    if isinstance(codec, ImageRescaler):
        for format_, suffix in (("jpeg", ".jpg"), ("webp", ".webp")):
            crop = np.ascontiguousarray(photo[33 : 33 + 97, 20 : 20 + 71])
            path = FOLDER / f"{model}-{codec.model.v1.hex()}{suffix}"
            path.write_bytes(codec.encode(crop, format_, 60))
            images.write(FOLDER / f"{path.name}.png", restore(path))
        return
    for case, (quality, coder, (top, left, height, width)) in CASES.items():
        if coder == "tfc" and importlib.util.find_spec("tensorflow_compression") is None:
            print(f"{case}: left out, TFC is not installed")
            continue
        crop = np.ascontiguousarray(photo[top : top + height, left : left + width])
        if case == "grey":
            crop = np.repeat(crop[..., :1], 3, axis=-1)
        picture = Picture(crop, crop[..., 0] if case == "alpha" else None)
        if codec.model.codec.geometry.levels == 1:
            write(golden, codec, case, coder, codec.compress(picture, quality, coder=coder))
        elif case == "whole":
            data = codec.compress(picture)
            write(golden, codec, "all", coder, data)
            write(golden, codec, "level4", coder, levels.truncate(data, level=4))
    listing.write_text(json.dumps(golden, indent=2, sort_keys=True) + "\n")


def write(golden: dict, codec: ImageCodec, case: str, coder: str, data: bytes) -> None:
    """Writes a file and its picture, and enters them."""
    name = f"{codec.model.id}-{codec.model.stream.hex()}-{case}"
    (FOLDER / f"{name}.jlic").write_bytes(data)
    images.write(FOLDER / f"{name}.png", codec.decode(data, detail=DRAWN))
    golden[f"{name}.jlic"] = {
        "coder": coder,
        "image": f"{name}.png",
        "latents": hashlib.sha256(codec.latents(data).tobytes()).hexdigest(),
    }


if __name__ == "__main__":
    main(sys.argv[1])
