import numpy as np
import pytest

from jaxlic.errors import ModelError
from jaxlic.files import weights


def _parameters():
    rng = np.random.default_rng(0)
    kernel = rng.normal(size=(3, 3, 4, 5)).astype(np.float32)
    stacked = rng.normal(size=(2, 3, 3, 4, 5)).astype(np.float32)
    bias = rng.normal(size=5).astype(np.float32)
    return {"a/kernel": kernel, "b/kernel": stacked, "a/bias": bias, "a/merge": kernel[0, 0]}


def test_what_is_shrunk_grows_back_nearly():
    stored = weights.shrink(_parameters(), int8=r"kernel$")
    assert {str(a.dtype) for n, a in stored.items() if "kernel" in n} == {"int8", "float32"}
    grown = weights.grow(weights.from_bytes(weights.to_bytes(stored)))
    for name, a in _parameters().items():
        error = np.abs(grown[name] - a).max()
        assert error == 0 if name == "a/bias" else error < 0.01 * np.abs(a).max()
    assert weights.same(grown["a/bias"], _parameters()["a/bias"])
    assert not weights.same(grown["a/bias"], None)
    assert not weights.same(grown["a/bias"], grown["a/merge"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"a": np.zeros(2, np.float64)}, "of type float64"),
        ({"a": np.array([np.nan], np.float16)}, "not finite"),
        ({"a": np.zeros(2, np.int8)}, "int8, or the reverse"),
        ({"a": np.zeros(2, np.float32), "a:scale": np.ones(1, "f4")}, "int8, or the reverse"),
        ({"a:scale": np.ones(1, np.float32)}, "scale of no array"),
        ({"a:scale": np.ones((9, 1), np.float32), "a": np.zeros(2, "i1")}, "of no array"),
        ({"a:scale": np.ones(3, np.float32), "a": np.zeros(2, "i1")}, "of no array"),
        ({"a": np.full(1, 127, np.int8), "a:scale": np.full(1, 3e38, "f4")}, "not finite"),
    ],
)
def test_arrays_that_no_model_has_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        weights.grow(changes)


def test_shapes_are_compared_and_counted():
    arrays = _parameters()
    expected = weights.shapes(weights.tree(arrays))
    weights.compare(arrays, expected)
    for change, message in (
        ({**expected, "more": (1,)}, "1 arrays are missing, the first more"),
        ({"a/bias": (5,)}, "3 arrays are too many, the first a/kernel"),
        ({**expected, "a/bias": (6,)}, r"a/bias is \[5\], not \[6\]"),
    ):
        with pytest.raises(ValueError, match=message):
            weights.compare(arrays, change)
    huge = {"a": np.broadcast_to(np.float32(0), (1 << 15, 1 << 15))}
    with pytest.raises(ValueError, match="1,073,741,824 parameters are too many"):
        weights.shapes(huge)


def test_files_of_arrays_say_what_they_were_made_from(tmp_path):
    weights.save_arrays(tmp_path / "new" / "w", {"a": np.arange(3.0)}, "abc")
    arrays, source = weights.load_arrays(tmp_path / "new" / "w")
    np.testing.assert_array_equal(arrays["a"], np.arange(3.0))
    assert source == "abc"
    (tmp_path / "new" / "w").write_bytes(b"none")
    for path in (tmp_path / "new" / "w", tmp_path / "nowhere", "/dev/zero"):
        with pytest.raises(ModelError, match="cannot be read"):
            weights.load_arrays(path)


def test_arrays_that_do_not_lie_in_order_are_written_in_order(tmp_path):
    a = np.arange(12, dtype=np.float32).reshape(3, 4).T
    np.testing.assert_array_equal(weights.from_bytes(weights.to_bytes({"a": a}))["a"], a)
    weights.save_arrays(tmp_path / "a.safetensors", {"a": a}, "")
    np.testing.assert_array_equal(weights.load_arrays(tmp_path / "a.safetensors")[0]["a"], a)
