"""The page in a real Chromium: what it shows, what it does, and that it asks for nothing."""

import base64
import csv
import dataclasses
import io
import json
import os
import re
import shutil

import numpy as np
import pytest
from PIL import Image

from jaxlic import cli
from jaxlic.files import classic
from jaxlic.report import anchors, evaluation, page, pictures, records, words
from tests.conftest import kodim

NAMES = ("a", "b", "c", "d")
QUALITIES = (10, 30, 50, 70, 90)
GENERATED = {"kind": "refined", "level": 2, "strength": 0.5, "seed": 7}
PIXELS = """image => { const c = document.createElement("canvas");
  c.width = image.naturalWidth; c.height = image.naturalHeight;
  const g = c.getContext("2d"); g.drawImage(image, 0, 0);
  const d = g.getImageData(0, 0, c.width, c.height).data; let s = "";
  for (let i = 0; i < d.length; i += 4) s += String.fromCharCode(d[i], d[i + 1], d[i + 2]);
  return [c.width, c.height, btoa(s)]; }"""


def _crops(folder):
    folder.mkdir()
    for i, name in enumerate(NAMES):
        photo = kodim("kodim05_crop" if i % 2 else "kodim23_crop")
        Image.fromarray(photo[:, ::-1] if i > 1 else photo).save(folder / f"{name}.png")
    return folder


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    """(folder of images, the page's folder, the JSON file) of the command itself."""
    top = tmp_path_factory.mktemp("page")
    folder = _crops(top / "photos")
    command = ["eval", str(folder), "--models", "", "--codecs", "jpeg,webp"]
    command += [
        "--metrics",
        "gmsd",
        "--report",
        str(top / "out"),
        "--json",
        str(top / "j.json"),
    ]
    assert cli.main([*command, "--report-bpp", "0.5,1.5"]) == 0
    return folder, top / "out", top / "j.json"


@pytest.fixture(scope="module")
def generating(tmp_path_factory):
    """A page whose second codec makes up detail, of which images lie beside it."""
    top = tmp_path_factory.mktemp("generated")
    folder = _crops(top / "<i>photos")
    plain = anchors.standard("jpeg")

    def grain(data, shape):
        noise = np.random.default_rng(7).integers(-4, 5, (*shape, 3))
        return np.clip(plain.decode(data, shape) + noise, 0, 255).astype(np.uint8)

    grained = plain._replace(decode=grain, generated=GENERATED)
    codecs = {"jpeg": (plain, QUALITIES), "jpeg+grain": (grained, QUALITIES)}
    files = sorted(folder.iterdir())
    found = list(evaluation.evaluate(files, codecs))
    found[3]["note"] = "</script><script>alert(1)</script>"
    text = records.to_json({"records": found, "curves": evaluation.curves(found)})
    named = [(file.name, file) for file in files]
    result = words.Result(found, [], text, {}, named, {"jpeg": plain, "jpeg+grain": grained})
    pictures.check(top / "out")
    page.write(top / "out", result, command="none", rates=(1.0,), inline=0)
    return top / "out", found


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    path = os.environ.get("JAXLIC_CHROMIUM") or shutil.which("chromium")
    if path is None:
        pytest.skip("there is no Chromium (apt-get install chromium, or JAXLIC_CHROMIUM=PATH)")
    with playwright.sync_playwright() as running:
        flags = ["--no-sandbox", "--force-color-profile=srgb", "--disable-gpu"]
        chromium = running.chromium.launch(executable_path=path, args=flags)
        yield chromium
        chromium.close()


@dataclasses.dataclass
class Seen:
    """A page, and all that it said or asked for."""

    page: object
    said: list
    asked: list


@pytest.fixture
def opened(browser):
    contexts = []

    def open_(out, **options):
        context = browser.new_context(offline=True, accept_downloads=True, **options)
        context.set_default_timeout(20_000)
        contexts.append(context)
        seen = Seen(context.new_page(), [], [])
        seen.page.on("console", lambda message: seen.said.append(message.text))
        seen.page.on("pageerror", lambda error: seen.said.append(str(error)))
        seen.page.on("request", lambda request: seen.asked.append(request.url))
        seen.page.goto((out / "index.html").as_uri())
        return seen

    yield open_
    for context in contexts:
        context.close()


def _pixels(seen, selector):
    seen.page.wait_for_function(
        f"(i => i.complete && i.naturalWidth > 0)(document.querySelector('{selector}'))"
    )
    width, height, text = seen.page.eval_on_selector(selector, PIXELS)
    return np.frombuffer(base64.b64decode(text), np.uint8).reshape(height, width, 3)


def test_every_picture_is_the_decoders_and_nothing_is_asked_for(evaluated, opened):
    folder, out, _ = evaluated
    seen = opened(out)
    data = json.loads(seen.page.text_content("#data"))
    for number, image in enumerate(data["compare"]["images"]):
        original = np.asarray(Image.open(folder / image["name"]))
        seen.page.select_option("#image", str(number))
        for rate, at_rate in enumerate(image["rates"]):
            seen.page.select_option("#rate", str(rate))
            sizes = {}
            for codec, shown in at_rate.items():
                seen.page.select_option("#left", codec)
                written = classic.encode(original, codec, int(shown["quality"]))
                decoded = classic.decode(written, codec)
                np.testing.assert_array_equal(_pixels(seen, "#over"), decoded)
                np.testing.assert_array_equal(_pixels(seen, "#lens-left"), decoded)
                sizes[codec] = len(written)
                assert shown["bytes"] == len(written)
                assert f"{len(written):,}" in seen.page.text_content("#facts")
            assert shown["mismatch"] == pytest.approx(
                100 * (sizes["webp"] / sizes["jpeg"] - 1), abs=1e-9
            )
            seen.page.select_option("#left", "webp")
            seen.page.select_option("#right", "jpeg")
            off = abs(shown["mismatch"])
            assert f"{off:.2f} %" in seen.page.text_content("#mismatch")
        np.testing.assert_array_equal(_pixels(seen, "#lens-original"), original)
    assert seen.said == []
    assert {url[:5] for url in seen.asked} <= {"file:", "data:"}
    assert [url for url in seen.asked if url.startswith("file:")] == [seen.page.url]


def test_the_slider_is_dragged_and_keys_flip_and_step(evaluated, opened):
    _, out, _ = evaluated
    seen = opened(out)
    view = seen.page.locator("#stage")
    view.scroll_into_view_if_needed()
    box = view.bounding_box()
    cut = seen.page.locator("#cut")
    y = box["y"] + box["height"] / 2
    seen.page.mouse.move(box["x"] + 0.5 * box["width"], y)
    seen.page.mouse.down()
    seen.page.mouse.move(box["x"] + 0.2 * box["width"], y, steps=4)
    seen.page.mouse.up()
    assert float(cut.input_value()) == pytest.approx(20, abs=2)
    clip = "e => getComputedStyle(e).clipPath"
    assert "80" in seen.page.eval_on_selector("#over", clip)
    before = float(cut.input_value())
    seen.page.keyboard.press("ArrowRight")
    assert float(cut.input_value()) > before
    seen.page.keyboard.press("f")
    assert cut.input_value() == "100"
    seen.page.keyboard.press("f")
    assert cut.input_value() == "0"
    seen.page.keyboard.press("n")
    assert seen.page.input_value("#image") == "1"
    seen.page.keyboard.press("p")
    for key, mode in (("1", "left"), ("f", "right"), ("d", "difference"), ("s", "slider")):
        seen.page.keyboard.press(key)
        assert seen.page.is_checked(f"[name=mode][value={mode}]")
    seen.page.uncheck("#keys")
    seen.page.keyboard.press("f")
    assert cut.input_value() == "0" and seen.page.input_value("#image") == "0"
    lens = "e => [parseFloat(e.style.left), parseFloat(e.style.top)]"
    seen.page.focus("#loupe")
    first = seen.page.eval_on_selector("#lens-left", lens)
    seen.page.keyboard.press("ArrowRight")
    moved = seen.page.eval_on_selector("#lens-left", lens)
    assert moved[0] < first[0] and moved[1] == first[1]
    assert moved == seen.page.eval_on_selector("#lens-right", lens)
    assert seen.said == []


def test_a_difference_is_what_the_samples_differ_by(evaluated, opened):
    folder, out, _ = evaluated
    seen = opened(out, viewport={"width": 1000, "height": 900})
    image = json.loads(seen.page.text_content("#data"))["compare"]["images"][0]
    original = np.asarray(Image.open(folder / image["name"])).astype(int)
    shown = image["rates"][0]["jpeg"]
    written = classic.encode(original.astype(np.uint8), "jpeg", int(shown["quality"]))
    error = np.abs(classic.decode(written, "jpeg").astype(int) - original)
    seen.page.select_option("#right", "jpeg")
    seen.page.check("#actual")
    seen.page.keyboard.press("2")
    seen.page.locator("#stage").scroll_into_view_if_needed()
    assert "error of jpeg, times 8" in seen.page.text_content("#tag-left")
    seen.page.eval_on_selector("#tag-left", "e => { e.hidden = true; }")
    box = seen.page.locator("#layers").bounding_box()
    box = {side: round(value) for side, value in box.items()}
    shot = seen.page.screenshot(clip=box)
    drawn = np.asarray(Image.open(io.BytesIO(shot)).convert("RGB")).astype(int)
    assert drawn.shape == error.shape
    assert np.abs(drawn - np.minimum(8 * error, 255)).max() <= 8  # A step of the samples.
    assert np.mean(drawn == np.minimum(8 * error, 255)) > 0.95


def test_the_table_sorts_and_its_values_are_those_of_the_json(evaluated, opened):
    _, out, json_file = evaluated
    seen = opened(out)
    found = json.loads(json_file.read_text())["records"]
    seen.page.select_option("#setting", "all")
    heads = [text.strip() for text in seen.page.locator("#records thead th").all_inner_texts()]
    rows = seen.page.eval_on_selector_all(
        "#records tbody tr", "rows => rows.map(r => [...r.cells].map(c => c.textContent))"
    )
    assert len(rows) == len(found)
    fields = {"Image": "image", "Codec": "codec", "quality": "quality", "bytes": "bytes"}
    fields |= {"bits a pixel": "bpp", "PSNR of RGB": "psnr", "GMSD": "gmsd"}
    fields |= {"encode, s": "encode_seconds", "decode, s": "decode_seconds"}
    by_key = {(r["image"], r["codec"], f"{r['quality']:g}"): r for r in found}
    for row in rows:
        cells = dict(zip(heads, row, strict=True))
        record = by_key.pop((cells["Image"], cells["Codec"], cells["quality"]))
        for head, field in fields.items():
            if isinstance(record[field], float | int):
                decimals = len(cells[head].partition(".")[2])
                shown = float(cells[head].replace(",", ""))
                assert abs(shown - record[field]) <= 0.501 * 10**-decimals, head
    assert not by_key
    for _ in range(2):
        seen.page.click("#records thead button:has-text('bytes')")
    sizes = seen.page.locator("#records tbody tr td:nth-child(4)").all_inner_texts()
    numbers = [int(size.replace(",", "")) for size in sizes]
    assert numbers == sorted(numbers, reverse=True)
    assert (
        seen.page.get_attribute("#records thead th:nth-child(4)", "aria-sort") == "descending"
    )
    seen.page.click("#records thead button:has-text('PSNR of RGB')")
    seen.page.click("#worst")
    worst = seen.page.locator("#records tbody tr td:nth-child(6)").all_inner_texts()
    lowest = sorted(r["psnr"] for r in found)[:10]
    assert [float(cell) for cell in worst] == pytest.approx(lowest, abs=0.006)
    seen.page.click("#records tbody tr:first-child button")
    assert seen.page.input_value("#image") in "0123"


def test_downloads_are_the_files(evaluated, opened, tmp_path):
    _, out, json_file = evaluated
    seen = opened(out)
    for name in ("json", "csv"):
        with seen.page.expect_download() as download:
            seen.page.click(f"#{name}")
        assert download.value.suggested_filename == f"records.{name}"
        download.value.save_as(tmp_path / name)
    assert (tmp_path / "json").read_bytes() == json_file.read_bytes()
    rows = list(csv.DictReader(io.StringIO((tmp_path / "csv").read_text())))
    found = json.loads(json_file.read_text())["records"]
    assert [float(row["psnr"]) for row in rows] == [r["psnr"] for r in found]


def test_rates_and_points_are_those_of_the_evaluation(evaluated, opened):
    _, out, json_file = evaluated
    seen = opened(out)
    found = json.loads(json_file.read_text())
    points = {codec: [tuple(p) for p in curve] for codec, curve in found["curves"].items()}
    seen.page.select_option("#bd-anchor", "jpeg")
    expected = evaluation.bd_rates(points, "jpeg")["webp"]
    cells = seen.page.locator("#bd tbody tr:nth-child(2) td").all_inner_texts()
    low, high = (float(part) for part in cells[1].split(" to "))
    assert float(cells[0]) == pytest.approx(expected, abs=0.06)
    assert low <= high < 0  # WebP takes fewer bits than JPEG whichever images are drawn.
    titles = seen.page.locator("svg.chart >> nth=0").locator("title").all_text_contents()
    assert len(titles) == sum(map(len, points.values()))
    quality, rate, value = points["webp"][2]
    assert any(
        f"webp, quality {quality:g}" in t and f"{value:.2f} dB at {rate:.3f} bpp" in t
        for t in titles
    )
    seen.page.locator("svg.chart .point").first.hover()
    assert "quality" in seen.page.text_content("#tip")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1200, 360])
def test_axe_finds_nothing_and_a_phone_does_not_scroll_sideways(
    evaluated, opened, scheme, width
):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe")
    _, out, _ = evaluated
    seen = opened(out, color_scheme=scheme, viewport={"width": width, "height": 800})
    result = axe.Axe().run(seen.page)
    assert result.violations_count == 0, result.generate_report()
    assert seen.page.evaluate("document.documentElement.scrollWidth") <= width


def test_what_is_generated_carries_its_mark_everywhere(generating, opened):
    out, _ = generating
    seen = opened(out)
    mark = "generated: refined, level 2, strength 0.5, seed 7"
    seen.page.select_option("#left", "jpeg+grain")
    seen.page.select_option("#right", "jpeg")
    seen.page.select_option("#setting", "all")
    assert mark in seen.page.text_content(".legend")
    assert mark in seen.page.text_content("#tag-left")
    assert mark not in seen.page.text_content("#tag-right")
    assert seen.page.text_content("#facts").count(mark) == 1
    rows = seen.page.locator("#records tbody tr").all_inner_texts()
    assert all((mark in row) == ("jpeg+grain" in row) for row in rows)
    assert any("<script>alert(1)</script>" in row for row in rows)
    assert seen.page.inner_text("h1") == "Codecs on <i>photos"
    assert seen.said == []


def test_many_pictures_lie_beside_the_page_and_come_when_they_are_looked_at(generating, opened):
    out, _ = generating
    seen = opened(out)
    below = sorted(out.joinpath("images").iterdir())
    assert len(below) == len(NAMES) * 3
    for selector in ("#over", "#under", "#lens-original"):
        seen.page.wait_for_function(
            f"document.querySelector('{selector}').complete &&"
            f"document.querySelector('{selector}').naturalWidth == 256"
        )
    asked = {url for url in seen.asked if url.endswith(".webp")}
    assert 1 <= len(asked) <= 3  # Of one image at one rate alone.
    assert all(url.startswith(out.as_uri()) for url in seen.asked)
    assert seen.said == []
    for file in below:
        with Image.open(file) as image:
            assert image.size == (256, 192)


def test_the_policy_lets_nothing_in_and_the_page_names_no_address(evaluated):
    text = (evaluated[1] / "index.html").read_text(encoding="utf-8")
    assert "default-src 'none'" in text and "unsafe" not in text
    assert not re.search(r'(?:src|href)\s*=\s*"(?!#|data:)', text)
    assert not re.search(r"url\(|@import|fetch\(|XMLHttp", text)
    assert "jaxlic eval" in text and "libwebp" in text


def test_a_folder_of_somebody_elses_is_not_touched(tmp_path, capsys):
    folder = _crops(tmp_path / "photos")
    out = tmp_path / "mine"
    out.mkdir()
    (out / "index.html").write_text("mine")
    command = ["eval", str(folder), "--models", "", "--codecs", "jpeg", "--report", str(out)]
    assert cli.main(command) == 2
    assert "not a page of ours" in capsys.readouterr().err
    assert (out / "index.html").read_text() == "mine"
    inside = str(folder / "out")
    assert cli.main([*command[:-1], inside]) == 2
    assert "lies among the images" in capsys.readouterr().err
    for more, message in {
        ("--published", "none.csv"): "no such file",
        ("--prices", "none.toml"): "no such file",
    }.items():
        assert cli.main([*command[:-1], str(tmp_path / "new"), *more]) == 2
        assert message in capsys.readouterr().err
    assert cli.main([*command[:-2], "--prices", "x"]) == 2
    assert "go with --report" in capsys.readouterr().err


def test_a_page_without_pictures_hides_what_shows_them(tmp_path, opened):
    folder = _crops(tmp_path / "photos")
    command = ["eval", str(folder), "--models", "", "--codecs", "jpeg", "--report-images", "0"]
    assert cli.main([*command, "--report", str(tmp_path / "out")]) == 0
    seen = opened(tmp_path / "out")
    assert not seen.page.is_visible("#stage") and not seen.page.is_visible("#image")
    assert seen.page.is_visible("#records tbody tr") and seen.said == []


def test_a_name_that_is_no_text_does_not_break_the_page():
    assert page.encoded("x\udcff") == b"x\\udcff"
