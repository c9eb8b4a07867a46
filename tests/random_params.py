"""Random parameters without running an initialiser: those take long to compile."""

import zlib

import jax
import numpy as np


def random_params(init, *args, scale=0.05, seed=0):
    """Normal values of the shapes that `init(*args)` returns, the same in every run."""
    shapes = jax.eval_shape(init, *args)

    def draw(path, a):
        name = zlib.crc32(jax.tree_util.keystr(path).encode())
        values = np.random.default_rng((seed, name)).normal(size=a.shape, scale=scale)
        return values.astype(a.dtype)

    return jax.tree_util.tree_map_with_path(draw, shapes)
