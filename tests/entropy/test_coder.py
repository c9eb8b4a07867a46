import jax
import jax.numpy as jnp
import numpy as np
import pytest

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
    written = Writer(encoder, TABLES)("y", y, model)
    decoder = CONSTRICTION.decoder(encoder.finish(), TABLES)
    read = Reader(decoder)("y", jnp.full_like(y, jnp.nan), model)
    np.testing.assert_array_equal(read, written)
    assert float(jnp.abs(written - y).max()) <= 0.5


def test_only_the_valid_part_is_coded():
    y, model = _case()
    size = jnp.array([4, 3])
    encoder = CONSTRICTION.encoder(TABLES)
    written = Writer(encoder, TABLES)("y", y, model, size)
    assert float(jnp.abs(written[:, 4:]).sum() + jnp.abs(written[:, :, 3:]).sum()) == 0
    decoder = CONSTRICTION.decoder(encoder.finish(), TABLES)
    other = model.replace(indexes=model.indexes.at[:, 5].set(3.0))
    np.testing.assert_array_equal(Reader(decoder)("y", y, other, size), written)


def test_estimated_bits_are_those_of_the_file():
    y, model = _case()
    estimator = Estimator(quantisation.hard, jax.random.key(1))
    estimator("y", y, model)
    encoder = CONSTRICTION.encoder(TABLES)
    Writer(encoder, TABLES)("y", y, model)
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


@pytest.mark.parametrize("price", [0.5, 8.0])
def test_with_a_price_no_neighbour_of_a_symbol_is_cheaper(price):
    y, model = _case()
    model = model.replace(price=price)
    encoder = CONSTRICTION.encoder(TABLES)
    written = np.asarray(Writer(encoder, TABLES)("y", y, model))
    read = Reader(CONSTRICTION.decoder(encoder.finish(), TABLES))("y", y, model)
    np.testing.assert_array_equal(read, written)
    r, indexes = np.asarray(y - model.offset), np.asarray(model.indexes, np.int32)
    k = np.round(written - np.asarray(model.offset)).astype(np.int32)
    nearest = np.floor(r + 0.5)

    def cost(symbols):
        return TABLES["gaussian"].bits(symbols, indexes) + price * np.square(r - symbols)

    other = np.where(k == nearest, k - np.sign(k), nearest).astype(np.int32)
    assert np.all(cost(k) <= cost(other) + 1e-3)
    assert np.any(k != nearest)


def test_estimator_and_writer_choose_alike():
    y, model = _case()
    model = model.replace(price=4.0, indexes=jnp.clip(model.indexes, 12, 40))
    encoder = CONSTRICTION.encoder(TABLES)
    written = Writer(encoder, TABLES)("y", y / 8, model)
    estimator = Estimator(quantisation.split, jax.random.key(1))
    estimated = jax.jit(lambda y: estimator("y", y, model))(y / 8)
    # Tables are rounded and end somewhere: a tie may fall the other way.
    assert float(jnp.mean(jnp.abs(written - estimated) > 1e-3)) < 0.05


def test_with_a_price_latents_are_integers_from_the_mean_on():
    y, model = _case()
    offset = jnp.round(16 * model.offset + 3) / 16  # As the exact networks give it.
    model = model.replace(price=10.0, offset=offset)
    estimator = Estimator(quantisation.split, jax.random.key(1))
    symbols = jax.jit(lambda y: estimator("y", y, model) - offset)(y / 8)
    np.testing.assert_array_equal(symbols, np.rint(symbols))
    assert 0 < np.mean(symbols == 0) < 1


def test_with_a_price_gradients_are_those_of_the_quantiser():
    y, model = _case()
    model = model.replace(price=4.0)

    def through(y):
        return Estimator(quantisation.split, jax.random.key(1))("y", y, model).sum()

    np.testing.assert_array_equal(jax.grad(through)(y), np.ones(y.shape))
