"""Learned image compression for JAX.

    import jaxlic
    codec = jaxlic.load()
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
    "ImageRescaler": "thumbnail",
    "restore": "thumbnail",
    "load_model": "models",
    "save_model": "models",
    "Spec": "models",
    "Hyperprior": "codecs.hyperprior",
    "transform_codec": "codecs.transform",
    "rescaler": "rescaling.rescaler",
    "Builder": "core",
    "Codec": "core",
    "Reconstruction": "core",
    "Rescaler": "core",
    "Error": "errors",
    "BitstreamError": "errors",
    "FileError": "errors",
    "ImageError": "errors",
    "ModelError": "errors",
    "Picture": "files.images",
    "keep_compiled": "files.cache",
}

__version__ = "0.1.0"
__all__ = sorted(_HOMES)


_WINGS = ("metrics", "models")


def __getattr__(name: str) -> Any:
    if name in _WINGS:
        return importlib.import_module(f"{__name__}.{name}")
    if name in _HOMES:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
