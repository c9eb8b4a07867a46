import io
import tarfile

import numpy as np
import pytest

from jaxlic.errors import ImageError
from train import tars
from train.data import DataError


def _tar(*members, **options):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", **options) as tar:
        for member, data in members:
            info = tarfile.TarInfo(member) if isinstance(member, str) else member
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def _scan(data):
    return list(tars.scan(io.BytesIO(data), len(data), "x.tar"))


@pytest.mark.parametrize(
    "format_", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]
)
def test_images_are_found_among_other_files_in_any_dialect(format_):
    long = "a" * 120 + "/é.webp" if format_ != tarfile.USTAR_FORMAT else "b/c.webp"
    link, folder = tarfile.TarInfo("link.png"), tarfile.TarInfo("d.png")
    link.type, link.linkname, folder.type = tarfile.SYMTYPE, "0.jpg", tarfile.DIRTYPE
    members = [
        ("0.jpg", b"one"),
        ("0.json", b"{}"),
        (link, b""),
        (folder, b""),
        (long, b"2" * 600),
    ]
    data = _tar(*members, format=format_)
    found = _scan(data)
    assert [(name, content) for name, _, content in found] == [
        ("0.jpg", b"one"),
        (long, b"2" * 600),
    ]
    assert all(data[start:][: len(content)] == content for _, start, content in found)


def test_what_is_written_is_found_where_it_was_put(tmp_path):
    records = [("a/0.png", b"0" * 511), ("b" * 200 + ".png", b""), ("c.png", b"1" * 512)]
    path = tmp_path / "0.tar"
    places = tars.write(path, records)
    assert [(name, content) for name, _, content in _scan(path.read_bytes())] == records
    read = tars.Reader([str(path)], [0])
    assert [read(0, start, len(c)) for start, (_, c) in zip(places, records, strict=True)] == [
        content for _, content in records
    ]
    with pytest.raises(ImageError, match="is cut off"):
        read(0, 0, path.stat().st_size + 1)


def test_damaged_tars_are_errors_that_name_them():
    data = _tar(("0.png", b"0" * 2000), ("1.png", b"1" * 2000))
    with pytest.raises(DataError, match=r"x\.tar: is cut off within '1\.png'"):
        _scan(data[:4000])
    with pytest.raises(DataError, match=r"x\.tar: is no uncompressed tar"):
        _scan(b"\x1f\x8b" + bytes(1000))
    broken = bytearray(data)
    broken[2560 + 10] ^= 1  # In the second header.
    with pytest.raises(DataError, match=r"x\.tar: is damaged after byte 2560"):
        _scan(bytes(broken))


@pytest.mark.parametrize("size", [-512, -1, -1024])
@pytest.mark.parametrize("at", [0, 512])
def test_negative_sizes_are_damage(size, at):
    """Of -512 bytes: the header after it is itself, for ever."""
    info = tarfile.TarInfo("1.png")
    info.size = size
    header = info.tobuf(tarfile.GNU_FORMAT)
    data = _tar(("0.png", b""))[:at] + header + bytes(2048)
    with pytest.raises(DataError, match=rf"x\.tar: is (damaged after byte {at}|no unc)"):
        _scan(data)


def test_hostile_headers_are_no_more_than_errors():
    data = _tar(
        ("0.png", b"0" * 700), ("é" * 100 + ".png", b"1" * 700), format=tarfile.PAX_FORMAT
    )
    rng, errors = np.random.default_rng(0), 0
    for _ in range(300):
        changed = bytearray(data)
        for at in rng.integers(len(data), size=rng.integers(1, 5)):
            changed[at] = rng.integers(256)
        block = bytes(changed[: rng.integers(1, len(data))] if rng.random() < 0.3 else changed)
        try:
            _scan(block)
        except DataError as error:
            errors += 1
            assert str(error).startswith("x.tar: ") and "\n" not in str(error)
    assert errors > 30


def test_a_header_that_claims_gigabytes_takes_no_memory(monkeypatch):
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.XHDTYPE, 8 << 30
    data = info.tobuf(tarfile.GNU_FORMAT) + bytes(1024)
    asked = []

    class File(io.BytesIO):
        def read(self, size=-1):
            asked.append(size)
            return super().read(size)

    with pytest.raises(DataError):
        list(tars.scan(File(data), len(data), "x.tar"))
    assert asked and max(asked) <= 1 << 20 and min(asked) >= 0
