import dataclasses

import pytest

from jaxlic.errors import BitstreamError, UsageError
from jaxlic.files.bitstream import File, Header, pack, unpack
from jaxlic.files.levels import count, truncate

HEADER = Header(0, b"abcd", 4000, 512, 1500, 0, tiles=2, levels=3)
FILE = File(HEADER, ((b"a" * 9, b"bb", b"c"), (b"ddd", b"e", b"ffff")), b"alpha", b"profile")


def test_a_level_is_the_beginning_of_the_next():
    data = pack(FILE)
    cuts = [truncate(data, level=level) for level in (1, 2, 3)]
    assert cuts[2] == data
    for level, (cut, longer) in enumerate(zip(cuts, [*cuts[1:], data], strict=True), 1):
        assert longer.startswith(cut)
        assert count(cut) == (level, 3)
        file = unpack(cut)
        assert [len(tile) for tile in file.payloads] == [level, level] and not file.unused
        assert (file.alpha, file.icc) == (b"alpha", b"profile")


def test_a_size_keeps_what_fits():
    data = pack(FILE)
    sizes = [len(truncate(data, level=level)) for level in (1, 2, 3)]
    for size in range(sizes[0], len(data) + 9):
        cut = truncate(data, size=size)
        assert len(cut) == max(n for n in sizes if n <= size)
    assert truncate(data, level=2, size=len(data)) == truncate(data, level=2)
    with pytest.raises(UsageError, match="first level takes"):
        truncate(data, size=sizes[0] - 1)


def test_what_was_cut_anywhere_can_be_cut_again():
    data = pack(FILE)
    sizes = [len(truncate(data, level=level)) for level in (1, 2, 3)]
    for end in range(len(data) + 1):
        cut = data[:end]
        if end < sizes[0]:
            with pytest.raises(BitstreamError):
                truncate(cut)
            continue
        whole = sum(size <= end for size in sizes)
        assert count(cut) == (whole, 3) and truncate(cut) == data[: sizes[whole - 1]]
        with pytest.raises(UsageError, match=f"not {whole + 1}"):
            truncate(cut, level=whole + 1)


def test_files_of_one_level_are_whole_or_nothing():
    for version in (1, 2):
        header = dataclasses.replace(HEADER, levels=1, version=version)
        payloads = tuple(tile[:1] for tile in FILE.payloads)
        data = pack(dataclasses.replace(FILE, header=header, payloads=payloads))
        assert truncate(data, level=1) == data and count(data) == (1, 1)
        with pytest.raises(UsageError, match="1 level of 1"):
            truncate(data, level=2)
        with pytest.raises(UsageError, match="too few"):
            truncate(data, size=10)
