import pytest

from jaxlic.errors import FileError
from jaxlic.report import published


def test_the_points_of_the_package_have_sources_and_rise():
    points, sources = published.read()
    assert next(iter(points["psnr"])) == "VTM" and len(points["psnr"]) >= 10
    assert len(points["ms_ssim"]) >= 8 and all(sources.values())
    for curves in points.values():
        for curve in curves.values():
            values = [value for _, value in sorted(curve)]
            assert len(curve) >= 4 and values == sorted(values)


def test_a_ladder_is_the_bits_against_the_first():
    pytest.importorskip("bjontegaard")
    known = published.read()[0]["psnr"]
    fewer = [(0.9 * rate, value) for rate, value in known["VTM"]]
    far = [(rate, value + 40) for rate, value in known["VTM"]]
    found = published.ladder({"mine": fewer, "few": fewer[:2], "far": far}, known, "psnr")
    rates = {codec: rate for rate, codec, _ in found}
    assert rates["VTM"] == pytest.approx(0, abs=1e-6)
    assert rates["mine"] == pytest.approx(-10, abs=0.3)
    assert "few" not in rates and "far" not in rates
    assert [rate for rate, _, _ in found] == sorted(rates.values())
    assert {codec for _, codec, was in found if not was} == {"mine"}


def test_kodak_is_known_by_all_its_names():
    names = [f"kodim{i:02}.png" for i in range(1, 25)]
    assert published.is_kodak(names) and published.is_kodak(n.upper() for n in names)
    assert not published.is_kodak(names[:4]) and not published.is_kodak([*names, "x.png"])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a,b\n1,2\n", "no column 'codec'"),
        ("codec,bpp,psnr,source\nx,0,30,y\n", "not finite"),
        ("codec,bpp,psnr,source\nx,nan,30,y\n", "not finite"),
        ("codec,bpp,psnr,source\nx,a,30,y\n", "could not convert"),
        ("codec,bpp,psnr,source\n,1,30,y\n", "1 to 60"),
    ],
)
def test_what_is_no_list_of_points_is_an_error_that_names_the_file(tmp_path, text, reason):
    (tmp_path / "p.csv").write_text(text)
    with pytest.raises(FileError, match=rf"p\.csv.*{reason}"):
        published.read(tmp_path / "p.csv")
