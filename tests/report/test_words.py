import pathlib

from jaxlic.report import anchors, published, words


def _result(names):
    files = [(name, pathlib.Path("photos") / name) for name in names]
    record = {"codec": "jpeg", "image": names[0], "quality": 5, "border": 2}
    codecs = {"jpeg": anchors.standard("jpeg")}
    return words.Result([record], [], "", {}, files, codecs)


def test_published_points_are_for_the_photographs_they_were_measured_on(tmp_path):
    kodak = _result([f"kodim{i:02}.png" for i in range(1, 25)])
    other = _result(["kodim01.png", "mine.png"])
    assert words.known_points(kodak, None) == published.read()
    assert words.known_points(other, None) == ({}, {})
    assert words.known_points(other, published.KODAK) == published.read()
    assert "--published" in words.ladder(other, {}, {}, {}, None)


def test_it_is_said_what_intervals_and_pictures_are_of():
    assert "too few" in words.intervals(3) and "rough" in words.intervals(4)
    assert "rough" not in words.intervals(24)
    assert "all images at about 0.5 bits" in words.compared(4, 4, (0.5,))
    assert "5 of 9 images" in words.compared(5, 9, (0.5, 1.0))


def test_settings_versions_and_the_command_are_there():
    text = words.origin(_result(["<x>.png"]), "jaxlic eval '<photos>'")
    assert "4:2:0" in text and "; qualities 5" in text and "2 pixels" in text
    assert "&lt;photos&gt;" in text and "libjpeg-turbo" in text and "<photos>" not in text
