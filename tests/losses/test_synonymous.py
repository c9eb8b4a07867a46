import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxlic.core import Reconstruction
from jaxlic.losses import synonymous as losses
from jaxlic.ops.distortion import repeated_error

# lambda_r, lambda_d and lambda_p of the paper's levels.
PAPER = {
    1: (49.35, 128, 29.34),
    2: (38.05, 256, 26.91),
    4: (22.63, 512, 22.63),
    8: (8.00, 1024, 16.00),
    12: (2.83, 1536, 11.31),
    16: (1.00, 2048, 8.00),
}


@pytest.mark.parametrize("level", PAPER)
def test_weights_are_those_of_the_paper(level):
    found = losses.paper_weights(jnp.array([level]), 16)
    np.testing.assert_allclose(np.ravel(found), PAPER[level], rtol=1e-3)


def test_fewer_levels_span_the_same_range():
    level = jnp.array([1, 5, 10])
    ten, sixteen = (losses.paper_weights(a, n) for a, n in ((level, 10), (level * 8, 80)))
    np.testing.assert_allclose(np.array(ten), np.array(sixteen), rtol=1e-6)
    assert float(ten.rate[2]) == 1 and float(ten.distortion[2]) == 2048


def test_the_rate_is_of_the_levels_that_are_sent():
    bpp = jnp.array([[1.0, 2.0, 4.0]] * 3)
    np.testing.assert_array_equal(losses.rate(bpp, jnp.array([1, 2, 3])), [1, 3, 7])


def test_expectations_are_means_over_members():
    image = jnp.zeros((2, 4, 4, 3))
    members = jnp.stack([image + 0.1, image - 0.3])
    np.testing.assert_allclose(
        losses.expected_squared_error(image, members), [(0.01 + 0.09) / 2] * 2, rtol=1e-5
    )

    def distance(x, y):
        return jnp.mean(jnp.abs(x - y), axis=(1, 2, 3))

    found = losses.expected_distance(image, members, distance)
    np.testing.assert_allclose(found, [0.05] * 2, rtol=1e-5)  # Of clipped pictures.
    slope = jax.grad(lambda m: jnp.sum(losses.expected_distance(image + 0.5, m, distance)))
    assert np.all(np.asarray(slope(members))[1] != 0)  # Clipped ones are pulled back.


def test_consistency_is_nothing_where_latents_come_back():
    latents = jnp.asarray(np.random.default_rng(0).normal(size=(3, 2, 4, 4, 5)), jnp.float32)
    sent = jnp.ones((2, 4, 4, 5)).at[:, :, :, 3:].set(0)
    np.testing.assert_array_equal(losses.consistency(latents, latents, sent), [0, 0])
    again = latents.at[1, 0, ..., 3:].add(2.0)  # Detail of one member of the first image.
    np.testing.assert_allclose(losses.consistency(latents, again, sent), [4 / 3, 0], rtol=1e-5)
    again = latents.at[0].add(1.0)
    np.testing.assert_allclose(losses.consistency(latents, again, sent), [1 / 3] * 2, rtol=1e-5)


def test_even_levels_are_preferred():
    even, odd = jnp.full((1, 4), 0.25), jnp.array([[0.7, 0.1, 0.1, 0.1]])
    level = jnp.array([2])
    assert losses.rate_spreading(even, level) < losses.rate_spreading(odd, level)
    np.testing.assert_allclose(losses.rate_spreading(even, level), [-1.0])


def test_spread_is_zero_for_one_picture():
    picture = jnp.ones((1, 2, 4, 4, 3))
    np.testing.assert_array_equal(losses.spread(jnp.tile(picture, (3, 1, 1, 1, 1))), [0, 0])
    two = jnp.concatenate([picture, picture + 2 / 255])
    np.testing.assert_allclose(losses.spread(two), [1, 1], rtol=1e-4)


def test_a_mesh_is_the_mean_of_the_members_and_of_two_grids():
    image = jnp.zeros((2, 64, 64, 3))
    grid = jnp.tile(jnp.eye(16)[..., None] / 8, (4, 4, 3))
    found = losses.expected_mesh(image, jnp.stack([image, image + grid]))
    parts = [repeated_error(image, image + grid, period=n) for n in (8, 16)]
    np.testing.assert_allclose(found, (parts[0] + parts[1]) / 4, rtol=1e-5)
    assert 0 < parts[0][0] < parts[1][0]


def _case():
    rng = np.random.default_rng(1)
    image = jnp.asarray(rng.uniform(size=(2, 64, 64, 3)), jnp.float32)
    pictures = image + jnp.asarray(rng.normal(scale=0.05, size=(2, 2, 64, 64, 3)), jnp.float32)
    latents = jnp.asarray(rng.normal(size=(2, 2, 2, 2, 6)), jnp.float32)
    aux = {
        "level": jnp.array([1, 3]),
        "level_bits": jnp.asarray(rng.uniform(100, 200, (2, 3)), jnp.float32),
        "sent": jnp.ones((2, 2, 2, 6)),
        "latents": latents,
        "again": latents + 0.1,
        "pictures": pictures,
    }
    return image, Reconstruction(pictures[0], {"z": jnp.full(2, 50.0)}, aux)


def test_the_loss_is_the_sum_of_its_terms():
    image, rec = _case()

    def distance(x, y):
        return jnp.mean(jnp.square(x - y), axis=(1, 2, 3))

    value, metrics = losses.synonymous_loss(distance, alpha=0.25)({"image": image}, rec)
    aux, level = rec.aux, rec.aux["level"]
    bpp = aux["level_bits"] / 64**2
    parts = []
    for some, pictures in ((level, aux["pictures"][1:]), (jnp.array([3, 3]), rec.x_hat[None])):
        parts.append(
            losses.synonymous(
                losses.paper_weights(some, 3),
                losses.rate(bpp, some),
                losses.expected_squared_error(image, pictures),
                losses.expected_distance(image, pictures, distance),
            )
        )
    again = losses.consistency(aux["latents"], aux["again"], aux["sent"])
    np.testing.assert_allclose(
        value, jnp.mean(0.25 * parts[0] + 0.75 * parts[1] + again), rtol=1e-5
    )
    assert metrics["bpp"] > metrics["level_bpp"] > metrics["hyper_bpp"] > 0


def test_terms_can_be_left_out():
    image, rec = _case()
    value, metrics = losses.synonymous_loss(None, consistent=0.0)({"image": image}, rec)
    assert "consistency" not in metrics and metrics["distance"] == 0
    spread, _ = losses.synonymous_loss(None, consistent=0.0, spreading=1.0)(
        {"image": image}, rec
    )
    assert spread != value
    meshed, metrics = losses.synonymous_loss(None, consistent=0.0, meshed=8.0)(
        {"image": image}, rec
    )
    assert meshed > value and metrics["level_mesh"] > 0
