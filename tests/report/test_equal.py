import numpy as np
import pytest
from PIL import Image

from jaxlic.files import images
from jaxlic.report import anchors, equal, evaluation
from jaxlic.report.round_trip import RoundTrip
from tests.conftest import DATA

FILE = DATA / "kodim23_crop.png"


@pytest.mark.parametrize("codec", ["jpeg", "webp"])
@pytest.mark.parametrize("budget", [3000, 9000, 20000])
def test_the_search_finds_the_nearest_of_all_files(codec, budget):
    image = np.asarray(Image.open(FILE).convert("RGB"))
    trip = anchors.standard(codec)
    found = equal.search(trip, image, budget, [(20, len(trip.encode(image, 20)))])
    sizes = [len(trip.encode(image, q)) for q in range(101)]
    assert (
        abs(len(found.data) - budget)
        <= 1.02 * min(abs(s - budget) for s in sizes) + 0.002 * budget
    )
    assert found.data == trip.encode(image, found.quality)


def test_a_search_takes_few_files_and_meets_what_is_continuous():
    tried = []

    def encode(image, quality):
        tried.append(quality)
        return bytes(int(200 * np.exp(0.07 * quality)))

    trip = RoundTrip(
        encode, lambda data, shape: np.zeros((*shape, 3)), whole=False, span=(1, 100)
    )
    image = np.zeros((8, 8, 3), np.uint8)
    for budget in (300, 5000, 100_000):
        tried.clear()
        found = equal.search(trip, image, budget)
        assert abs(len(found.data) / budget - 1) < 0.005 and len(tried) <= 10
    assert equal.search(trip, image, 1).quality == 1
    assert equal.search(trip, image, 10**9).quality == 100


def test_pictures_are_kept_without_loss_at_budgets_that_all_codecs_reach():
    codecs = {name: anchors.standard(name) for name in ("jpeg", "webp")}
    several = {name: (codec, (20, 80)) for name, codec in codecs.items()}
    records = list(evaluation.evaluate([FILE], several))
    kept = {}

    def keep(data):
        kept[str(len(kept))] = data
        return str(len(kept) - 1)

    files = [(FILE.name, FILE)]
    (found,) = equal.compare(files, codecs, records, keep, rates=(0.001, 0.8))
    image = np.asarray(Image.open(FILE).convert("RGB"))
    np.testing.assert_array_equal(images.read(kept[found["original"]]).rgb, image)
    least = max(len(codec.encode(image, 0)) for codec in codecs.values())
    for at_rate, budget in zip(found["rates"], (least, 0.8 * image.size / 3 / 8), strict=True):
        for name, shown in at_rate.items():
            data = codecs[name].encode(image, shown["quality"])
            back = codecs[name].decode(data, image.shape[:2])
            np.testing.assert_array_equal(images.read(kept[shown["picture"]]).rgb, back)
            assert shown["bytes"] == len(data) and abs(shown["mismatch"]) < 8
            assert len(data) == pytest.approx(budget, rel=0.1)


def test_images_are_spread_from_hard_to_easy():
    records = [{"image": f"{i}", "psnr": 40.0 - i} for i in range(10)]
    assert equal.spread(records, 3) == ["9", "5", "0"] or equal.spread(records, 3)[0] == "9"
    assert len(equal.spread(records, 3)) == 3 and equal.spread(records, 20) == list(
        "0123456789"
    )
