"""Learned image compression for JAX.

    import jaxlic
    codec = jaxlic.load("base")
    data = codec.compress(image, quality=40)     # uint8 [H, W, 3] to bytes
    image = codec.decompress(data)

Names are imported on first use: `import jaxlic` is instant and starts no backend.
"""

from __future__ import annotations

import importlib
from typing import Any

_HOMES = {
    "ImageCodec": "api",
    "load": "api",
    "restore": "api",
    "BitstreamError": "bitstream",
    "ImageRescaler": "thumbnail",
    "ModelError": "checkpoint",
    "load_model": "checkpoint",
    "save_model": "checkpoint",
    "Hyperprior": "codecs.hyperprior",
    "transform_codec": "codecs.transform",
    "Codec": "core",
    "Reconstruction": "core",
    "Rescaler": "core",
    "rescaler": "codecs.rescaler",
    "ImageError": "images",
    "Picture": "images",
}

__version__ = "0.1.0"
__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
