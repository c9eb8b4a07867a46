"""Makes the seeds of `tests/fuzzing.py` of the photographs in `tests/data`."""

from __future__ import annotations

import io
import pathlib

import jax
import numpy as np
from PIL import Image, ImageCms

import jaxlic
from jaxlic import models
from jaxlic.models import Spec
from tests.conftest import kodim
from tests.random_params import random_params

FOLDER = pathlib.Path(__file__).parent
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def _write(name: str, data: bytes) -> None:
    (FOLDER / name).parent.mkdir(parents=True, exist_ok=True)
    (FOLDER / name).write_bytes(data)


def _encoded(image: Image.Image, format_: str, **options) -> bytes:
    out = io.BytesIO()
    image.save(out, format_, **options)
    return out.getvalue()


def containers(photo: np.ndarray) -> None:
    """A plain one, one with alpha and profile, one of version 1."""
    codec = jaxlic.load("base")
    alpha = np.linspace(0, 255, 40 * 48).reshape(40, 48).astype(np.uint8)
    rgba = np.concatenate([photo[:40, :48], alpha[..., None]], axis=-1)
    picture = jaxlic.Picture(photo[:40, :48], rgba[..., 3], PROFILE)
    _write("container/plain.jlic", codec.compress(photo[:64, :64], quality=60))
    _write("container/alpha_and_profile.jlic", codec.compress(picture, quality=20))
    golden = FOLDER.parent / "golden" / "base-93091eb3-low.jlic"
    _write("container/version1.jlic", golden.read_bytes())


def pictures(photo: np.ndarray) -> None:
    """Small images of all formats that are read, of several modes."""
    image = Image.fromarray(photo[:24, :20])
    _write("images/rgb.png", _encoded(image, "PNG", icc_profile=PROFILE))
    _write("images/rgba.png", _encoded(image.convert("RGBA"), "PNG"))
    _write("images/palette.png", _encoded(image.quantize(16), "PNG", transparency=3))
    grey16 = Image.fromarray(photo[:24, :20, 0].astype(np.uint16) * 257)
    _write("images/grey16.png", _encoded(grey16, "PNG"))
    _write("images/rgb.jpg", _encoded(image, "JPEG", icc_profile=PROFILE))
    _write("images/progressive.jpg", _encoded(image.convert("L"), "JPEG", progressive=True))
    _write("images/cmyk.jpg", _encoded(image.convert("CMYK"), "JPEG"))
    _write("images/lossy.webp", _encoded(image.convert("RGBA"), "WEBP"))
    _write("images/lossless.webp", _encoded(image, "WEBP", lossless=True))
    for compression in ("raw", "tiff_lzw", "tiff_adobe_deflate", "jpeg"):
        name = f"images/{compression}.tif"
        _write(name, _encoded(image, "TIFF", compression=compression))
    _write("images/rgb.bmp", _encoded(image, "BMP"))
    try:
        import imagecodecs
    except ImportError:
        return
    _write("images/rgb.jxl", imagecodecs.jpegxl_encode(photo[:24, :20], level=60))


def notes(photo: np.ndarray) -> None:
    """Thumbnails as they are written."""
    rescaler = jaxlic.load("sain-x2")
    for format_ in ("jpeg", "webp"):
        _write(f"notes/small.{format_}", rescaler.encode(photo[:48, :40], format_, 60))


def folders() -> None:
    """A rescaler of few parameters."""
    spec = Spec("rescaler.folded", dict(layout=["haar", "E1", "V1"], width=4))
    example = np.zeros((1, 16, 16, 3), np.float32)
    params = random_params(models.assemble(spec).init, example, jax.random.key(0))
    models.save_model(
        FOLDER / "models" / "rescaler", params, spec, {"id": "small", "number": 0}
    )


if __name__ == "__main__":
    crop = kodim("kodim05_crop")
    containers(crop)
    pictures(crop)
    notes(crop)
    folders()
