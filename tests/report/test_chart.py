import itertools
import re
import xml.etree.ElementTree as ET

import pytest

from jaxlic.report import chart

CURVES = {
    "a<b": [(10, 0.2, 0.90), (50, 0.8, 0.99)],
    "c": [(20, 0.4, float("nan")), (40, 0.6, 0.95)],
}


def test_a_chart_is_well_formed_and_has_a_title_a_point():
    root = ET.fromstring(chart.draw(CURVES, "ms_ssim", images=3))
    titles = [e.text for e in root.iter() if e.tag.endswith("title")]
    assert len(titles) == 3  # What is not finite is left out.
    assert titles[1] == "a<b, quality 50: MS-SSIM 0.9900 at 0.800 bpp (mean of 3 images)"
    texts = " ".join(e.text or "" for e in root.iter())
    assert "MS-SSIM, dB: -10 log10(1 - x)" in texts and "bits a pixel" in texts


def test_points_lie_where_the_axes_say():
    text = chart.draw({"a": [(1, 0.2, 20.0), (2, 0.5, 30.0), (3, 2.0, 40.0)]}, "psnr", images=1)
    points = re.findall(r'class="point" transform="translate\(([\d.]+) ([\d.]+)\)"', text)
    ticks = re.findall(r'class="tick ([xy])" x="([\d.]+)" y="([\d.]+)">([\d.]+)<', text)
    across = {float(label): float(x) for axis, x, _, label in ticks if axis == "x"}
    up = {float(label): float(y) - 4 for axis, _, y, label in ticks if axis == "y"}
    for (x, y), rate, value in zip(points, (0.2, 0.5, 2.0), (20.0, 30.0, 40.0), strict=True):
        assert float(x) == pytest.approx(across[rate], abs=0.11)
        assert float(y) == pytest.approx(up[value], abs=0.11)


def test_nothing_finite_is_no_chart_and_labels_do_not_cover_each_other():
    assert chart.draw({"a": [(1, 0.5, float("nan"))]}, "psnr", images=1) == ""
    close = {name: [(1, 0.2, 30.0), (2, 1.0, 40 + i / 100)] for i, name in enumerate("abcd")}
    text = chart.draw(close, "psnr", images=1, published={"VTM": [(0.5, 35.0), (9.0, 50.0)]})
    places = sorted(float(y) for y in re.findall(r'class="end" x="[\d.]+" y="([\d.]+)"', text))
    assert all(b - a >= 15.9 for a, b in itertools.pairwise(places))
    assert text.count("VTM, published") == 1  # The point beyond the axes is not drawn.
