"""What a codec with dynamic kernels looks at."""

import io

import jax
import numpy as np
import pytest
from PIL import Image

from jaxlic import models
from jaxlic.errors import Error, ModelError
from jaxlic.models import Spec
from jaxlic.report import explain
from tests.conftest import TINY
from tests.random_params import random_params

SMALL = Spec(
    "dkic.lapped",
    dict(
        **TINY.settings,
        kernel_hidden=[16, 16],
        kernel_blocks=[1, 1],
        slices=[4, 12],
        passes=[1, 1],
        summary=8,
        context_hidden=8,
    ),
)


@pytest.fixture(scope="module")
def model():
    codec = models.assemble(SMALL)
    params = random_params(codec.init, np.zeros((1, 64, 64, 3), np.float32), jax.random.key(0))
    return models.Model("small", 0, b"", b"", b"", SMALL, {}, codec, params, {})


def test_every_dynamic_kernel_is_found_with_what_it_did(model, photo):
    found = explain.layers(model, photo[:70, :100], 40)
    assert [(layer.name.split("_")[0], layer.stride) for layer in found] == [
        ("analysis", 8),
        ("analysis", 16),
        ("hyper", 32),
        ("synthesis", 16),
        ("synthesis", 8),
    ]
    for layer in found:
        height, width = 128 // layer.stride, 128 // layer.stride
        assert layer.weights.shape[:2] == (height, width)
        assert layer.fallbacks == 0
        assert 0 < np.abs(layer.offsets).max() <= layer.radius
        np.testing.assert_allclose(layer.weights.sum(-1), 1, rtol=1e-5)


def test_what_a_loop_of_blocks_has_sown_is_told_block_by_block():
    values = (np.arange(6).reshape(3, 2), np.arange(3))
    found = dict(explain._blocks("groups_0/blocks/DynamicConv_0", values))
    assert list(found) == [f"groups_0/blocks_{k}/DynamicConv_0" for k in range(3)]
    np.testing.assert_array_equal(found["groups_0/blocks_1/DynamicConv_0"][0], [2, 3])
    assert dict(explain._blocks("restoration/DynamicConv_0", values)) == {
        "restoration/DynamicConv_0": values
    }


def test_statistics_tell_dead_and_saturated_offsets():
    offsets = np.array([0.0, 0.01, 1.0, 2.0]).reshape(1, 1, 1, 2, 2)
    weights = np.array([0.5, 0.5]).reshape(1, 1, 1, 2)
    got = explain.statistics(explain.Layer("a", 8, 2, offsets, weights, 0))
    assert got["mean"] == pytest.approx(3.01 / 4)
    assert (got["dead"], got["saturated"]) == (0.5, 0.25)
    assert got["effective_taps"] == pytest.approx(2)
    assert got["alike"] == pytest.approx(1)


def test_statistics_tell_what_is_the_same_everywhere():
    offsets = np.zeros((1, 4, 1, 1, 2))
    offsets[..., 0] = [[[1.0]], [[1.0]], [[3.0]], [[3.0]]]
    weights = np.ones((1, 4, 1, 1))
    got = explain.statistics(explain.Layer("a", 8, 4, offsets, weights, 0))
    assert got["alike"] == pytest.approx(2**2 / 5)
    still = explain.statistics(explain.Layer("a", 8, 4, 0 * offsets, weights, 0))
    assert still["alike"] == 1


def test_the_receptive_field_is_around_the_point(model, photo):
    (field,) = explain.receptive_field(model, photo, 40, [(200, 40)])
    assert field.shape == photo.shape[:2]
    y, x = np.unravel_index(np.argmax(field), field.shape)
    assert abs(int(x) - 200) < 32 and abs(int(y) - 40) < 32
    assert field[150:].max() == 0  # Beyond any reach.


def test_points_of_interest_are_where_the_detail_is():
    image = np.zeros((64, 64, 3), np.uint8)
    image[40:44:2, 10:20] = 255
    x, y = explain.interesting(image)[2]
    assert abs(x - 14) < 12 and abs(y - 42) < 12
    assert explain.interesting(np.zeros((1, 1, 3), np.uint8))[0] == (0, 0)
    image[:] = 0
    image[30, :40] = 255  # Just above the lower quarters, where sums still see it.
    assert all(y >= 32 for _, y in explain.interesting(image)[2:])


def test_the_drawing_is_a_png_with_a_column_a_point(model, photo):
    found, points = explain.layers(model, photo, 40), [(40, 50), (100, 90)]
    fields = explain.receptive_field(model, photo, 40, points)
    title = "a$b_$ of any name"
    image = Image.open(io.BytesIO(explain.draw(photo, found, fields, points, title)))
    assert image.format == "PNG" and image.width > 500


@pytest.mark.parametrize("name", sorted(set(models.shipped()) - {"dkic"}))
def test_models_without_dynamic_kernels_are_refused(photo, name):
    with pytest.raises(ModelError, match=r"has no dynamic kernels"):
        explain.layers(models.load_model(name), photo[:64, :64], 40)


def test_a_large_image_is_seen_in_its_middle_or_around_points():
    image = np.zeros((2000, 1500, 3), np.uint8)
    part, corner = explain.window(image)
    assert part.shape == (1024, 1024, 3) and corner == (238, 488)
    part, corner = explain.window(image[:, :500], [(3, 1990), (4, 1400)])
    assert part.shape == (1024, 500, 3) and corner == (0, 976)
    assert explain.window(image, [(700, 600)])[1] == (188, 88)
    for points in ([(1500, 0)], [(0, 0), (0, 1024)]):
        with pytest.raises(Error, match=r"outside of 1500x2000|at most 1023 pixels from"):
            explain.window(image, points)
