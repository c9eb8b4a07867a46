import numpy as np
import pytest

from jaxlic.errors import UsageError
from jaxlic.report import operating


def records(codec="a", factor=1.0, gain=0.0):
    """Two images at three qualities: a doubling of the size for 6 dB."""
    found = []
    for image, easy in (("x", 3.0), ("y", -3.0)):
        for quality, rate in ((10, 0.5), (20, 1.0), (40, 2.0)):
            record = {"codec": codec, "image": image, "quality": quality}
            record |= {"bpp": factor * rate, "bytes": int(factor * rate * 1000)}
            record |= {"psnr": 30 + easy + gain + 6 * np.log2(rate)}
            found.append(record | {"encode_seconds": 0.8 * rate, "decode_seconds": 0.4})
    return found


def test_means_between_qualities_are_on_the_straight_line():
    table = operating.measured(records(), "a", "psnr")
    both = np.arange(2)
    point = operating.point(table, 20, both)
    assert point.bytes == pytest.approx(1 / 8) and point.value == pytest.approx(30)
    assert point.values.tolist() == pytest.approx([33, 27])
    # 1000 bytes at a bit a pixel are 8000 pixels.
    assert point.encode == pytest.approx(0.8 / 8000) and point.decode == pytest.approx(
        0.4 / 8000
    )
    between = operating.point(table, 15, both)
    assert between.value == pytest.approx(27) and between.bytes == pytest.approx(2**-0.5 / 8)
    assert operating.quality_of(table, 27, both) == pytest.approx(15)
    assert operating.quality_of(table, 33, np.array([0, 0])) == pytest.approx(20)
    assert operating.quality_of(table, 50, both) is None
    assert between.seen is None and between.nearest in (10, 20)


def test_what_records_lack_is_said():
    for change, message in (
        (lambda r: r[:-1], "lacks psnr of an image"),
        (
            lambda r: [{k: v for k, v in x.items() if k != "encode_seconds"} for x in r],
            "no enc",
        ),
    ):
        with pytest.raises(UsageError, match=message):
            operating.measured(change(records()), "a", "psnr")
    with pytest.raises(UsageError, match="records of a, not of 'b'"):
        operating.measured(records(), "b", "psnr")
