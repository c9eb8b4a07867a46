import jax
import jax.numpy as jnp
import numpy as np

from jaxlic.entropy.hyper import HyperAnalysis, HyperSynthesis, quality_level

QUALITY = jnp.array([40.0])


def _synthesis():
    module = HyperSynthesis((8, 12), 10)
    z = jnp.round(3 * jax.random.normal(jax.random.key(0), (1, 4, 5, 6)))
    return module, z, module.init(jax.random.key(1), z, QUALITY)


def test_indexes_and_means_lie_on_their_grids():
    module, z, variables = _synthesis()
    model, features = jax.jit(module.apply)(variables, z, QUALITY)
    assert features.shape == (1, 16, 20, 12)
    assert model.offset.shape == model.indexes.shape == (1, 16, 20, 10)
    np.testing.assert_array_equal(model.indexes, jnp.clip(jnp.round(model.indexes), 0, 63))
    np.testing.assert_array_equal(16 * model.offset, jnp.round(16 * model.offset))
    assert len(np.unique(model.offset)) > 3


def test_a_padded_hyper_latent_gives_the_same_inside():
    module, z, variables = _synthesis()
    size = jnp.array([8, 12])
    alone, _ = module.apply(variables, z[:, :2, :3], QUALITY)
    padded, _ = jax.jit(module.apply)(variables, z, QUALITY, size)
    np.testing.assert_array_equal(padded.indexes[:, :8, :12], alone.indexes)
    np.testing.assert_array_equal(padded.offset[:, :8, :12], alone.offset)


def test_higher_quality_means_larger_scales():
    module, z, variables = _synthesis()
    low, high = (module.apply(variables, z, jnp.array([q]))[0].indexes for q in (1.0, 100.0))
    assert float(jnp.mean(high - low)) > 5


def test_quality_levels_are_integers_from_end_to_end():
    quality = jnp.linspace(1, 100, 9901)
    level = np.asarray(jax.jit(quality_level, static_argnums=1)(quality, 24))
    assert (level[0], level[-1]) == (-12, 12)
    assert set(np.diff(level)) == {0.0, 1.0}
    np.testing.assert_array_equal(level, np.floor((np.arange(100, 10001) - 5050) * 24 / 9900))


def test_hyper_analysis_divides_by_four():
    module = HyperAnalysis(6, 5)
    y = jax.random.normal(jax.random.key(0), (1, 8, 12, 10))
    z, variables = module.init_with_output(jax.random.key(1), y, QUALITY)
    assert z.shape == (1, 2, 3, 5)
    padded = module.apply(
        variables, jnp.pad(y, ((0, 0), (0, 4), (0, 4), (0, 0))), QUALITY, jnp.array([8, 12])
    )
    np.testing.assert_allclose(padded[:, :2, :3], z, atol=1e-5)
