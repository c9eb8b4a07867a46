import jax
import jax.numpy as jnp
import numpy as np

from jaxlic.entropy.coder import Estimator, Reader, Writer
from jaxlic.entropy.models import IndexedGaussian
from jaxlic.entropy.range_coder import CONSTRICTION
from jaxlic.entropy.tables import gaussian_tables
from jaxlic.ops import quantisation

TABLES = {"gaussian": gaussian_tables()}


def _case():
    keys = jax.random.split(jax.random.key(0), 3)
    shape = (1, 6, 5, 4)
    mean = jnp.round(16 * jax.random.normal(keys[0], shape)) / 16
    model = IndexedGaussian(mean, jnp.floor(jax.random.uniform(keys[1], shape, maxval=64)))
    return 20 * jax.random.normal(keys[2], shape), model


def test_reader_returns_what_writer_returned():
    y, model = _case()
    encoder = CONSTRICTION.encoder(TABLES)
    written = Writer(encoder)("y", y, model)
    decoder = CONSTRICTION.decoder(encoder.finish(), TABLES)
    read = Reader(decoder)("y", jnp.full_like(y, jnp.nan), model)
    np.testing.assert_array_equal(read, written)
    assert float(jnp.abs(written - y).max()) <= 0.5


def test_only_the_valid_part_is_coded():
    y, model = _case()
    size = jnp.array([4, 3])
    encoder = CONSTRICTION.encoder(TABLES)
    written = Writer(encoder)("y", y, model, size)
    assert float(jnp.abs(written[:, 4:]).sum() + jnp.abs(written[:, :, 3:]).sum()) == 0
    decoder = CONSTRICTION.decoder(encoder.finish(), TABLES)
    other = model.replace(indexes=model.indexes.at[:, 5].set(3.0))
    np.testing.assert_array_equal(Reader(decoder)("y", y, other, size), written)


def test_estimated_bits_are_those_of_the_file():
    y, model = _case()
    estimator = Estimator(quantisation.hard, jax.random.key(1))
    estimator("y", y, model)
    encoder = CONSTRICTION.encoder(TABLES)
    Writer(encoder)("y", y, model)
    # Outliers cost an escape, which the estimate knows only roughly.
    assert 8 * len(encoder.finish()) < 1.3 * float(estimator.bits["y"][0]) + 64


def test_split_estimates_the_rounded_latent_and_reaches_every_gradient():
    y, model = _case()

    def bits(y, mean, index, quantise):
        estimator = Estimator(quantise, jax.random.key(1))
        estimator("y", y, IndexedGaussian(mean, index))
        return estimator.bits["y"][0]

    arguments = (y, model.offset, jnp.maximum(model.indexes, 20.0))
    hard = bits(*arguments, quantisation.hard)
    np.testing.assert_allclose(bits(*arguments, quantisation.split), hard, rtol=1e-5)
    for gradient in jax.grad(bits, argnums=(0, 1, 2))(*arguments, quantisation.split):
        assert bool(jnp.isfinite(gradient).all()) and float(jnp.abs(gradient).sum()) > 0
