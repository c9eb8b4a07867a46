import numpy as np
import pytest

from jaxlic.errors import ModelError
from jaxlic.files.weights import save_arrays
from jaxlic.metrics import frechet
from tests.metrics.test_efficientnet import random_arrays


def _samples():
    rng = np.random.default_rng(1)
    a = rng.normal(size=(6, 5))
    return a, rng.normal(size=(7, 5)) @ rng.normal(size=(5, 5)) + 0.3


def test_distance_is_that_of_a_matrix_square_root():
    """Golden value by scipy.linalg.sqrtm 1.16."""
    a, b = (frechet.statistics(x) for x in _samples())
    assert frechet.distance(a, b) == pytest.approx(11.44802303440672, abs=1e-9)
    assert frechet.distance(b, a) == pytest.approx(11.44802303440672, abs=1e-9)


def test_distance_of_what_was_moved_and_stretched():
    a, _ = _samples()
    covariance = np.trace(frechet.statistics(a).covariance)
    moved = frechet.statistics(a + 2.0)
    assert frechet.distance(frechet.statistics(a), moved) == pytest.approx(4 * 5)
    wide = frechet.statistics(a.mean(axis=0) + 3 * (a - a.mean(axis=0)))
    assert frechet.distance(frechet.statistics(a), wide) == pytest.approx(4 * covariance)
    assert frechet.distance(moved, moved) == pytest.approx(0, abs=1e-9)


def test_one_sample_has_no_covariance():
    with pytest.raises(ValueError, match="two patches"):
        frechet.statistics(np.zeros((1, 4)))


def test_patches_are_two_grids():
    image = np.arange(7 * 10 * 3).reshape(7, 10, 3)
    found = frechet.patches(image, 4)
    assert found.shape == (3, 4, 4, 3)  # One row of two, and one of one.
    np.testing.assert_array_equal(found[0], image[1:5, 1:5])
    np.testing.assert_array_equal(found[1], image[1:5, 5:9])
    np.testing.assert_array_equal(found[2], image[3:7, 3:7])
    assert frechet.patches(image, 8).shape == (0, 8, 8, 3)


def test_a_collector_sees_what_a_codec_did():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (2, 336, 336, 3)).astype(np.uint8)
    collector = frechet.Collector(frechet.assemble(random_arrays()))
    for image in images:
        collector.add("same", image, image)
        collector.add("flat", image, image // 8)
    found = collector.distances()
    assert found["same"] == pytest.approx(0, abs=1e-6)
    assert found["flat"] > 1
    small = frechet.Collector(frechet.assemble(random_arrays()))
    small.add("same", images[0, :64, :64], images[0, :64, :64])
    assert np.isnan(small.distances()["same"])


def test_only_the_published_network_goes_by_the_name(tmp_path):
    path = tmp_path / "lite0.safetensors"
    save_arrays(path, random_arrays(), "579344248a93e230" + 48 * "0")
    assert callable(frechet.extractor(path))
    save_arrays(path, random_arrays(), 64 * "0")
    with pytest.raises(ModelError, match="not the published network of fd-effnetlite0"):
        frechet.extractor(path)
    arrays = random_arrays()
    arrays["head/bias"] = arrays["head/bias"][:-1]
    with pytest.raises(ModelError, match="not the weights"):
        frechet.assemble(arrays)
