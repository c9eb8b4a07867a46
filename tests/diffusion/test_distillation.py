import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxlic.diffusion.distillation import truncated_snr, two_steps
from jaxlic.diffusion.samplers import ddim, sample


def _teacher(z, log_snr):
    return jnp.tanh(z + 0.1 * jnp.mean(log_snr))


@pytest.mark.parametrize("end", [1.5, np.inf])
def test_one_step_of_the_student_is_two_of_the_teacher(end):
    z = jax.random.normal(jax.random.key(0), (1, 6))
    log_snrs = np.array([-2.0, 0.0, end])
    x = two_steps(_teacher, z, tuple(jnp.float32([v]) for v in log_snrs))
    student = sample(jax.random.key(0), lambda *_: x, ddim(log_snrs[[0, 2]]), z)
    teacher = sample(jax.random.key(0), _teacher, ddim(log_snrs), z)
    np.testing.assert_allclose(student, teacher, atol=1e-5)


def test_it_has_no_gradient():
    log_snrs = tuple(jnp.float32([v]) for v in (-2.0, 0.0, 1.0))
    slope = jax.grad(lambda z: two_steps(_teacher, z, log_snrs).sum())(jnp.ones((1, 3)))
    np.testing.assert_array_equal(slope, 0)


def test_the_weight_never_vanishes():
    np.testing.assert_allclose(
        truncated_snr(jnp.array([-5.0, 0.0, 2.0])), [1, 1, np.exp(2.0)], rtol=1e-6
    )
