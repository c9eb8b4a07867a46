import pytest

from jaxlic.errors import ImageError
from train.data import DataError

pytest.importorskip("array_record")  # There is none for Windows.

from train import array_records


def _file(tmp_path):
    path = tmp_path / "0.arrayrecord"
    records = [(f"{k}.png", bytes([k]) * (1000 + k)) for k in range(8)]
    assert array_records.write(path, records) == list(range(8))
    return path, [data for _, data in records]


def _scan(path):
    return list(array_records.scan(None, path.stat().st_size, str(path)))


def test_records_are_read_in_any_order(tmp_path):
    path, expected = _file(tmp_path)
    assert _scan(path) == [
        (f"0.arrayrecord/{k:08d}", k, data) for k, data in enumerate(expected)
    ]
    read = array_records.Reader([str(path)], [8])
    assert [read(0, k, 1000 + k) for k in (5, 0, 7)] == [expected[k] for k in (5, 0, 7)]
    with pytest.raises(ImageError, match="record 3 is of another length"):
        read(0, 3, 1000)


def test_a_record_that_its_checksum_denies_is_broken_and_the_others_are_not(tmp_path):
    path, expected = _file(tmp_path)
    data = bytearray(path.read_bytes())
    data[data.index(expected[2]) + 500] ^= 1
    path.write_bytes(data)
    assert [content for _, _, content in _scan(path)] == [*expected[:2], b"", *expected[3:]]
    read = array_records.Reader([str(path)], [8])
    with pytest.raises(ImageError, match=r"0\.arrayrecord: Corrupted"):
        read(0, 2, 1002)
    assert read(0, 3, 1003) == expected[3]


@pytest.mark.parametrize("content", [b"", b"nothing of the kind" * 100, None])
def test_what_is_no_such_file_is_an_error_that_names_it(tmp_path, content):
    path, _ = _file(tmp_path)
    path.write_bytes(path.read_bytes()[:3000] if content is None else content)
    with pytest.raises(
        DataError, match=r"0\.arrayrecord: is no ArrayRecord file, or is cut off"
    ):
        _scan(path)


def test_a_file_that_goes_is_not_taken_for_broken_records(tmp_path):
    read = array_records.Reader([str(tmp_path / "gone.arrayrecord")], [8])
    with pytest.raises(DataError, match=r"gone\.arrayrecord"):
        read(0, 0, 10)


def test_there_is_room_for_a_file_a_shard():
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, before[1]))
    try:
        array_records._room(100)
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == 356
        array_records._room(10**9)
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] in (before[1], 356)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
