import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxlic.entropy.factorized import FactorizedPrior


def test_probabilities_of_the_bins_sum_to_one():
    module = FactorizedPrior(4)
    model = module.apply(module.init(jax.random.key(0)))
    grid = jnp.arange(-200.0, 201.0)[:, None] + jnp.zeros(4)
    np.testing.assert_allclose(jnp.sum(2 ** -model.bits(grid), axis=0), 1, atol=1e-3)


def test_the_cumulative_distribution_increases():
    module = FactorizedPrior(3)
    variables = jax.tree.map(lambda a: a + 0.3, module.init(jax.random.key(0)))
    logits = module.apply(variables).logits(jnp.linspace(-9, 9, 200)[:, None] + jnp.zeros(3))
    assert bool((jnp.diff(logits, axis=0) > 0).all())


def test_it_learns_a_distribution():
    module = FactorizedPrior(1)
    params = module.init(jax.random.key(0))
    y = jnp.round(2 * jax.random.normal(jax.random.key(1), (512, 1)))
    optimizer = optax.adam(2e-2)

    @jax.jit
    def step(params, state):
        loss, grads = jax.value_and_grad(lambda p: jnp.mean(module.apply(p).bits(y)))(params)
        updates, state = optimizer.update(grads, state)
        return optax.apply_updates(params, updates), state, loss

    state = optimizer.init(params)
    losses = []
    for _ in range(300):
        params, state, loss = step(params, state)
        losses.append(float(loss))
    counts = np.unique(np.asarray(y), return_counts=True)[1] / 512
    assert losses[-1] < -(counts * np.log2(counts)).sum() + 0.1 < losses[0]
