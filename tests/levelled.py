"""A small codec in levels with random weights, and a folder of it."""

import functools
import pathlib

import jax
import numpy as np

from jaxlic import models
from jaxlic.models import Spec
from tests.random_params import random_params

LEVELLED = Spec(
    "sic.lapped",
    dict(
        features=16,
        latents=48,
        learned=16,
        hidden=8,
        blocks=[1, 1],
        analysis_widths=[8, 8, 8],
        analysis_depths=[1, 1, 1],
        synthesis_widths=[8, 8, 8],
        synthesis_depths=[1, 1, 1],
        slices=[3, 13, 32],
        passes=[4, 2, 2],
        groups=[16, 32],
        planes=2,
        summary=8,
        context_hidden=8,
        plane_hidden=8,
        error_price=0.0,
        magnitudes=True,
    ),
)
LEVELS = 8
QUALITY = 60.0


@functools.cache
def levelled():
    """(codec, params, tables)."""
    codec = models.assemble(LEVELLED)
    example = np.zeros((1, 64, 64, 3), np.float32)
    params = random_params(codec.init, example, jax.random.key(0), scale=0.03)
    return codec, params, codec.tables(params)


def folder(path: pathlib.Path) -> pathlib.Path:
    """Writes the model to a folder."""
    models.save_model(path, levelled()[1], LEVELLED, {"id": "levelled", "number": 0})
    return path
