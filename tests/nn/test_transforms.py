import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxlic.nn import transforms

QUALITY = jnp.array([40.0])
HALO = 128


def test_untrained_lapped_pair_reconstructs():
    sizes = dict(features=192, latents=768, hidden=4, blocks=(1, 1))
    analysis, synthesis = (
        transforms.LappedAnalysis(**sizes),
        transforms.LappedSynthesis(**sizes),
    )
    x = jax.random.uniform(jax.random.key(0), (1, 64, 80, 3))
    y, _ = analysis.init_with_output(jax.random.key(1), x, QUALITY)
    x_hat, _ = synthesis.init_with_output(jax.random.key(1), y, QUALITY)
    # At the border the extension of the latent is only right for flat content.
    np.testing.assert_allclose(x_hat[:, 4:-4, 4:-4], x[:, 4:-4, 4:-4], atol=1e-5)


PAIRS = [
    (
        transforms.LappedAnalysis(16, 24, 8, (1, 1)),
        transforms.LappedSynthesis(16, 24, 8, (1, 1)),
    ),
    (transforms.ConvAnalysis(6, 24), transforms.ConvSynthesis(6, 24)),
]


def _moved(module, x):
    variables = module.init(jax.random.key(1), x, QUALITY)
    return jax.tree.map(lambda a: a + 0.01, variables)


@pytest.mark.parametrize("pair", PAIRS, ids=["lapped", "conv"])
def test_a_padded_window_gives_what_the_valid_part_alone_gives(pair):
    analysis, synthesis = pair
    window = jax.random.uniform(jax.random.key(0), (1, 128, 192, 3))
    size = jnp.array([64, 128])
    variables = _moved(analysis, window)
    alone = jax.jit(analysis.apply)(variables, window[:, :64, :128], QUALITY)
    padded = jax.jit(analysis.apply)(variables, window, QUALITY, size)
    np.testing.assert_allclose(padded[:, :4, :8], alone, atol=1e-4)

    y = jax.random.normal(jax.random.key(2), (1, 8, 12, 24))
    variables = _moved(synthesis, y)
    alone = jax.jit(synthesis.apply)(variables, y[:, :4, :8], QUALITY)
    padded = jax.jit(synthesis.apply)(variables, y, QUALITY, size)
    np.testing.assert_allclose(padded[:, :64, :128], alone, atol=1e-3)


@pytest.mark.parametrize("pair", PAIRS, ids=["lapped", "conv"])
def test_the_receptive_field_fits_the_halo(pair):
    analysis, synthesis = pair
    x = jnp.full((1, 256, 256, 3), 0.6)
    variables = _moved(analysis, x)

    def latent(x):
        return jnp.sum(analysis.apply(variables, x, QUALITY)[:, 8])

    rows = _rows(jax.jit(jax.grad(latent))(x))
    assert rows.min() >= 8 * 16 - HALO
    assert rows.max() < 9 * 16 + HALO

    y = jax.random.normal(jax.random.key(2), (1, 16, 16, 24))
    variables = _moved(synthesis, y)

    def pixels(y):
        return jnp.sum(synthesis.apply(variables, y, QUALITY)[:, 128:144])

    rows = _rows(jax.jit(jax.grad(pixels))(y))
    assert rows.min() >= 8 - HALO // 16
    assert rows.max() <= 8 + HALO // 16


def _rows(gradient):
    return np.flatnonzero(np.abs(np.asarray(gradient)).sum(axis=(0, 2, 3)))
