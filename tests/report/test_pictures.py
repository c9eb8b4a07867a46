import base64

import pytest

from jaxlic.errors import UsageError
from jaxlic.report import pictures


def test_few_pictures_are_in_the_page_and_many_beside_it(tmp_path):
    shelf = pictures.Pictures(tmp_path, inline=10)
    first = shelf.keep(b"12345")
    assert shelf.keep(b"12345") == first and not shelf.beside and shelf.size == 5
    assert shelf.sources()[first].endswith(base64.b64encode(b"12345").decode())
    second = shelf.keep(b"abcdef")
    assert shelf.beside and shelf.keep(b"12345") == first and shelf.size == 11
    for name, data in ((first, b"12345"), (second, b"abcdef")):
        assert (tmp_path / shelf.sources()[name]).read_bytes() == data


def test_sweeping_takes_old_pictures_and_nothing_else(tmp_path):
    old = pictures.Pictures(tmp_path, inline=0)
    old.keep(b"old")
    (tmp_path / "images" / "mine.webp").write_text("mine")
    new = pictures.Pictures(tmp_path, inline=0)
    name = new.keep(b"new")
    new.sweep()
    left = {file.name for file in (tmp_path / "images").iterdir()}
    assert left == {"mine.webp", f"{name}.webp"}


def test_a_page_goes_where_nothing_or_an_earlier_page_is(tmp_path):
    pictures.check(tmp_path / "new" / "deep")
    (tmp_path / "file").write_text("")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("")
    for name, message in (("file", "not a folder"), ("full", "holds other files")):
        with pytest.raises(UsageError, match=message):
            pictures.check(tmp_path / name)
    page = tmp_path / "new" / "deep" / pictures.PAGE
    page.write_text('<meta name="generator" content="jaxlic 0">')
    pictures.check(page.parent)
    page.write_text("<p>mine")
    with pytest.raises(UsageError, match="not a page of ours"):
        pictures.check(page.parent)
