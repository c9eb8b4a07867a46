import numpy as np

from jaxlic.entropy.interpolation import interpolation


def test_interpolation_weighs_neighbours_by_distance():
    kernel = interpolation((0,), (3,), 2, 0.9)
    assert kernel.shape == (3, 3, 2, 2)
    # Phase 3 of a cell lies between phase 0 of four cells.
    np.testing.assert_allclose(kernel[1:, 1:, 0, 0], kernel[1, 1, 0, 0], rtol=0.15)
    assert kernel[1, 1, 0, 0] > 0.2 > abs(kernel[0, 0, 0, 0])
    assert not kernel[:, :, 0, 1].any()
    assert 0.9 < kernel[..., 0, 0].sum() < 1.0
