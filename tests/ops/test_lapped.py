import numpy as np
import pytest

from jaxlic.ops import lapped


def test_lapped_basis_is_orthonormal_across_blocks():
    basis = lapped.lapped_basis()
    np.testing.assert_allclose(basis.T @ basis, np.eye(8), atol=1e-12)
    np.testing.assert_allclose(basis[:8].T @ basis[8:], np.zeros((8, 8)), atol=1e-12)
    np.testing.assert_allclose(basis.sum(axis=0)[1:], 0, atol=1e-12)


def test_lapped_basis_has_the_coding_gain_of_a_lapped_transform():
    correlation = 0.95 ** np.abs(np.subtract.outer(np.arange(16), np.arange(16)))
    basis = lapped.lapped_basis()
    variances = np.diag(basis.T @ correlation @ basis)
    assert -10 * np.log10(np.exp(np.log(variances).mean())) == pytest.approx(9.22, abs=0.02)


def test_impossible_sizes_raise():
    with pytest.raises(ValueError, match="multiple of 4"):
        lapped.lapped_kernel(7)
    with pytest.raises(ValueError, match="at most 32"):
        lapped.merge_kernel(8, 40)
