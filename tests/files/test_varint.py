import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxlic.errors import BitstreamError
from jaxlic.files.varint import Cut, read_varint, varint


@given(st.integers(0, 2**35 - 1), st.binary(max_size=5))
def test_numbers_come_back_and_end_where_they_end(n, rest):
    data = varint(n)
    assert read_varint(data + rest, 0) == (n, len(data))
    with pytest.raises(Cut):
        read_varint(data[:-1], 0)


@pytest.mark.parametrize("data", [b"\x80\x00", b"\xff\x80\x00", b"\xff" * 6])
def test_long_forms_and_long_numbers_are_refused(data):
    with pytest.raises(BitstreamError, match=r"shortest|too long"):
        read_varint(data, 0)
