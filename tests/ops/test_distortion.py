"""Values beside those of pytorch-msssim 1.0 and piq 0.8 on real images."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxlic.metrics import scores
from jaxlic.ops import distortion
from tests.conftest import kodim


def _blurred(x):
    p = np.pad(x.astype(np.int64), ((1, 1), (1, 1), (0, 0)), mode="edge")
    h, w = x.shape[:2]
    return sum(p[i : i + h, j : j + w] for i in range(3) for j in range(3)) // 9


def _posterised(x):
    return x // 32 * 32 + 16


# (image, size, change): SSIM and MS-SSIM of pytorch-msssim, GMSD and PSNR of piq.
GOLDEN = {
    ("kodim05_crop", (192, 256), _blurred): (0.804543, 0.970896, 0.047235, 24.44106),
    ("kodim05_crop", (192, 256), _posterised): (0.887986, 0.980320, 0.040935, 28.86069),
    ("kodim05_crop", (187, 241), _blurred): (0.809171, 0.971996, 0.047897, 24.49897),
    ("kodim05_crop", (187, 241), _posterised): (0.888027, 0.980414, 0.041226, 28.87134),
    ("kodim23_crop", (192, 256), _blurred): (0.939810, 0.992802, 0.022768, 30.08539),
    ("kodim23_crop", (192, 256), _posterised): (0.775114, 0.917420, 0.090805, 28.72555),
    ("kodim23_crop", (187, 241), _blurred): (0.939139, 0.992853, 0.023402, 30.05629),
    ("kodim23_crop", (187, 241), _posterised): (0.767991, 0.916907, 0.091782, 28.70304),
}


@pytest.mark.parametrize("case", GOLDEN, ids=lambda c: f"{c[0]}-{c[1][0]}-{c[2].__name__}")
def test_values_are_those_of_the_reference_implementations(case):
    name, (height, width), change = case
    image = kodim(name)[:height, :width]
    x, y = (jnp.asarray(a[None], jnp.float32) / 255 for a in (image, change(image)))
    functions = (distortion.ssim, distortion.ms_ssim, distortion.gmsd, distortion.psnr)
    got = [float(jax.jit(function)(x, y)[0]) for function in functions]
    np.testing.assert_allclose(got[:3], GOLDEN[case][:3], atol=1e-4)
    np.testing.assert_allclose(got[3], GOLDEN[case][3], atol=1e-3)


def test_the_best_values_are_reached_by_equal_images_and_batches_do_not_mix(photo):
    x = jnp.asarray(photo[None], jnp.float32) / 255
    pair = jnp.concatenate([x, x[:, ::-1]])
    other = jnp.concatenate([x, x])
    for function, best in (
        (distortion.mse, 0),
        (distortion.psnr, 100),
        (distortion.ssim, 1),
        (distortion.ms_ssim, 1),
        (distortion.gmsd, 0),
    ):
        both = jax.jit(function)(pair, other)
        np.testing.assert_allclose(both[0], best, atol=1e-4)
        np.testing.assert_allclose(both[1], function(pair[1:], other[1:])[0], atol=1e-5)


@pytest.mark.parametrize(
    "function", [distortion.psnr, distortion.ssim, distortion.ms_ssim, distortion.gmsd]
)
def test_gradients_are_finite_also_at_equal_and_at_flat_images(function):
    x = jax.random.uniform(jax.random.key(0), (1, 170, 170, 3))
    slope = jax.jit(jax.grad(lambda y: function(x, y)[0]))
    for y in (x, jnp.full_like(x, 0.5), 0.5 * x + 0.2):
        assert bool(jnp.isfinite(slope(y)).all())
    assert float(jnp.abs(slope(0.5 * x + 0.2)).max()) > 0


def test_sizes_that_do_not_fit_are_refused():
    x = jnp.zeros((1, 160, 200, 3))
    with pytest.raises(ValueError, match="too small: 161"):
        distortion.ms_ssim(x, x)
    with pytest.raises(ValueError, match="too small: 11"):
        distortion.ssim(x[:, :10], x[:, :10])
    with pytest.raises(ValueError, match="cannot be compared"):
        distortion.mse(x, x[..., :1])
    with pytest.raises(ValueError, match="RGB"):
        distortion.gmsd(x[..., :1], x[..., :1])


def test_both_implementations_of_ssim_agree(photo):
    other = _blurred(photo).astype(np.uint8)
    lumas = (scores.luma(a)[None, :, :, None] / 255 for a in (photo, other))
    ours = distortion.ssim(*(jnp.asarray(a, jnp.float32) for a in lumas))
    assert float(ours[0]) == pytest.approx(scores.ssim_luma(photo, other), abs=1e-5)


@pytest.mark.parametrize("size", [64, 130, 192])
def test_a_mesh_is_what_every_block_has(size):
    rng = np.random.default_rng(0)
    image = jnp.asarray(rng.uniform(size=(2, size, size, 3)), jnp.float32)
    pattern = rng.normal(scale=0.02, size=(16, 16, 3))
    pattern = jnp.asarray(pattern - pattern.mean(axis=(0, 1)), jnp.float32)
    grid = jnp.tile(pattern, (size // 16 + 1, size // 16 + 1, 1))[:size, :size]
    energy = [jnp.mean(jnp.square(pattern))] * 2
    for measure in (distortion.repeated_error, distortion.mesh):
        np.testing.assert_allclose(measure(image, image + grid), energy, rtol=1e-4)
        np.testing.assert_allclose(measure(image, image + 0.1), [0, 0], atol=1e-9)
        # Elsewhere it may be the opposite.
        sign = jnp.where(jnp.arange(size) < 64, 1, -1)[None, :, None]
        np.testing.assert_allclose(measure(image, image + sign * grid), energy, rtol=1e-4)
    # Of noise a window keeps one part in its blocks, and that is no mesh.
    noise = image + jnp.asarray(rng.normal(scale=0.02, size=image.shape), jnp.float32)
    kept = distortion.mse(image, noise) / 16
    np.testing.assert_allclose(distortion.repeated_error(image, noise), kept, rtol=0.1)
    assert (distortion.mesh(image, noise) < 0.1 * kept).all()
    both = distortion.mesh(image, noise + grid)
    np.testing.assert_allclose(both, energy, rtol=0.1)


def test_a_grid_of_another_period_is_another_mesh():
    image = jnp.zeros((1, 64, 64, 3))
    grid = jnp.tile(jnp.eye(8)[..., None], (8, 8, 3))
    found = [distortion.repeated_error(image, grid[None], period=n) for n in (8, 16)]
    np.testing.assert_allclose(found, [[1 / 8 - 1 / 64]] * 2, rtol=1e-5)
    odd = jnp.tile(jnp.eye(12)[..., None], (6, 6, 3))[:64, :64]
    assert distortion.repeated_error(image, odd[None], period=8) < found[0] / 4


def test_what_does_not_fill_a_window_has_no_mesh():
    image = jnp.zeros((1, 70, 150, 3))
    far = jnp.tile(jnp.eye(16)[..., None], (5, 10, 3))[:70, :150].at[:64, :128].set(0)
    np.testing.assert_array_equal(distortion.mesh(image, image + far), [0])
    with pytest.raises(ValueError, match="64 pixels"):
        distortion.mesh(image[:, :63], image[:, :63])
