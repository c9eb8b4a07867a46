import dataclasses
import json
import sys
import threading
import time
import zlib

import numpy as np
import pytest

from jaxlic.errors import ImageError
from jaxlic.files import images
from jaxlic.files.images import Picture
from train import shards
from train.data import DataError
from train.shards import Index, Shards

INDEX = Index(
    "webdataset",
    [("0.tar", 4096), ("1.tar", 2048)],
    ["a.png", "b.png", "c.png"],
    np.array([[4, 6], [6, 4], [5, 5]]),
    np.array([[0, 512, 100, 7], [0, 1536, 100, 8], [1, 512, 100, 9]]),
    [("d.png", "d.png: damaged")],
)


def test_an_index_is_read_as_it_was_written():
    found = shards.loads(shards.dumps(INDEX), "index.json")

    assert found.names == INDEX.names and found.shards == INDEX.shards
    assert found.skipped == INDEX.skipped and found.format == INDEX.format
    np.testing.assert_array_equal(found.sizes, INDEX.sizes)
    np.testing.assert_array_equal(found.places, INDEX.places)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"version": "jaxlic shards 2"}, "another version"),
        ({"format": "zip"}, "another version"),
        ({"shards": [["../0.tar", 4096], ["1.tar", 2048]]}, "outside its folder"),
        ({"shards": [["0.tar", 4096]]}, "not there"),
        ({"sizes": [[4, 6], [6, 4], [5, 0]]}, "impossible size"),
        ({"sizes": [[4, 6], [6, 4], [2**40, 2**40]]}, "impossible size"),
        ({"sizes": [[4, 6], [6, 4]]}, "damaged"),
        ({"places": [[0, 512, 100, 7], [0, 1536, 100, 7], [-1, 512, 100, 7]]}, "not there"),
        ({"places": [[0, 512, 100, 7], [0, -1, 100, 7], [1, 512, 100, 7]]}, "impossible place"),
        (
            {"places": [[0, 512, 100, 7], [0, 0, 100, 7], [1, 512, 2**31, 7]]},
            "impossible place",
        ),
        ({"places": [[0, 512, 100, 7], [0, 5000, 100, 7], [1, 512, 100, 7]]}, "beyond the end"),
        ({"places": [[0, 512, 100, 7], [0, 10**30, 100, 7], [1, 512, 100, 7]]}, "damaged"),
        ({"names": ["a", "b", 3]}, "a name that is none"),
        ({"names": None}, "damaged"),
        ({"skipped": [["a"]]}, "damaged"),
    ],
)
def test_an_index_that_cannot_be_is_one_line(change, reason):
    columns = json.loads(shards.dumps(INDEX)) | change
    with pytest.raises(DataError, match=rf"^i\.json: is no index.*{reason}") as caught:
        shards.loads(json.dumps(columns).encode(), "i.json")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"3", b"\xff", b"[" * 100_000])
def test_what_is_no_index_is_one_line(data):
    with pytest.raises(DataError, match=r"^i\.json: is no index"):
        shards.loads(data, "i.json")


def test_names_are_printable():
    columns = json.loads(shards.dumps(INDEX)) | {"names": ["\x1b[2J", "b\n", "ö"]}
    assert shards.loads(json.dumps(columns).encode(), "i").names == ["?[2J", "b?", "ö"]


def test_a_record_is_broken_if_it_is_not_the_image_of_the_index():
    rgb = np.random.default_rng(0).integers(0, 256, (4, 6, 3)).astype(np.uint8)
    data = images.encoded(Picture(rgb))
    turned = images.encoded(Picture(np.ascontiguousarray(rgb.swapaxes(0, 1))))
    large = images.encoded(Picture(np.tile(rgb, (2, 2, 1))))
    for content, reason in [
        (data, None),
        (data[:-20] + b"x" + data[-19:], "its bytes are not those that its index knows"),
        (data[:60], "damaged image"),
        (b"", "not an image"),
        (turned, "is not of 6x4 pixels, as its index says"),
        (large, "an image of 12x8 pixels is over 24 pixels"),
    ]:
        known = data if reason and reason.startswith("its bytes") else content
        places = np.array([[0, 512, 100, zlib.crc32(known)]] * 3)
        index = dataclasses.replace(INDEX, places=places)
        source = Shards(index, lambda shard, start, size, content=content: content)
        if reason is None:
            np.testing.assert_array_equal(source[0], rgb)
            continue
        with pytest.raises(ImageError, match=rf"^a\.png: {reason}"):
            source[0]


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP"])
def test_other_threads_run_while_an_image_is_decoded(format_, photo):
    """Why threads are enough: they never have to be interrupted for that."""
    data = images.encoded(Picture(np.tile(photo, (4, 4, 1))), format_)
    busy, stop, turns = threading.Event(), threading.Event(), []

    def other():
        while not stop.is_set():
            time.sleep(0.0005)
            if busy.is_set():
                turns.append(None)

    thread, interval = threading.Thread(target=other), sys.getswitchinterval()
    thread.start()
    try:
        sys.setswitchinterval(1000)
        busy.set()
        sum(range(3_000_000))  # Python alone does not let it.
        assert not turns
        images.read(data)
        busy.clear()
    finally:
        sys.setswitchinterval(interval)
        stop.set()
        thread.join()
    assert turns
