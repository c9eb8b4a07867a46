"""Files written by released weights decode, for ever.

`tests/golden/` holds small files and, for each, the SHA-256 of the latents it decodes to and
the image it looks like. The pixels may differ by rounding between machines, the latents may
not. A file is only ever added here; a synthesis may be replaced by a better one that reads the
same files (`train.export --stream`), and then the images are.
"""

import hashlib
import json
import pathlib

import numpy as np
import pytest

from jaxlic import api, thumbnail
from jaxlic.entropy.detail import DRAWN
from jaxlic.files import bitstream, images

FOLDER = pathlib.Path(__file__).parent / "golden"
GOLDEN = json.loads((FOLDER / "golden.json").read_text())


@pytest.mark.parametrize("name", sorted(GOLDEN))
def test_golden_files_decode_to_the_same_latents_and_image(name):
    expected = GOLDEN[name]
    if expected["coder"] == "tfc":
        pytest.importorskip("tensorflow_compression", reason="needs jaxlic[tfc]")
    data = (FOLDER / name).read_bytes()
    codec = api.load_for(data)
    y_hat = codec.latents(data)
    assert hashlib.sha256(y_hat.tobytes()).hexdigest() == expected["latents"]
    picture = codec.decode(data, detail=DRAWN)
    known = images.read(FOLDER / expected["image"])
    assert np.abs(picture.rgb.astype(int) - known.rgb).max() <= 1
    if known.alpha is not None:
        np.testing.assert_array_equal(picture.alpha, known.alpha)


THUMBNAILS = sorted(p for p in FOLDER.iterdir() if p.suffix in (".jpg", ".webp"))


@pytest.mark.parametrize("path", THUMBNAILS, ids=lambda p: p.name)
def test_golden_thumbnails_grow_back_to_the_same_image(path):
    picture = thumbnail.restore(path)
    assert picture.notes == ()  # Not even that the weights are others.
    known = images.read(f"{path}.png")
    assert np.abs(picture.rgb.astype(int) - known.rgb).max() <= 1


WHOLE = (n for n in GOLDEN if GOLDEN[n]["coder"] != "tfc" and "-level" not in n)


@pytest.mark.parametrize("name", sorted(WHOLE))
def test_the_container_is_written_as_it_was(name):
    data = (FOLDER / name).read_bytes()
    assert bitstream.pack(bitstream.unpack(data)) == data
