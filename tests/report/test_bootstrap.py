import numpy as np
import pytest

from jaxlic.report import bootstrap, evaluation

pytest.importorskip("bjontegaard")


def _records(rng, images, spread=0.15):
    """Codec b takes 20 % fewer bits than a on the average image, more or less on each."""
    found = []
    for i in range(images):
        factor = 0.8 * np.exp(spread * rng.normal())
        for q, rate in enumerate(np.geomspace(0.15, 1.5, 5)):
            value = 30 + 5 * np.log2(rate)
            for codec, f in (("a", 1.0), ("b", factor)):
                record = {"codec": codec, "image": f"{i}", "quality": q, "bpp": f * rate}
                found.append(record | {"psnr": value})
    return found


def test_rates_are_those_of_the_evaluation_both_ways():
    records = _records(np.random.default_rng(0), 6)
    found = dict(bootstrap.bd_rates(records, "psnr", replicates=20))
    points = evaluation.curves(records)
    for anchor, codec in (("a", "b"), ("b", "a")):
        rate = found[anchor, codec]
        assert rate.value == pytest.approx(evaluation.bd_rates(points, anchor)[codec], abs=1e-6)
        assert rate.interval[0] <= rate.value <= rate.interval[1]


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    """40 studies of 12 images: 95 % of them, less what a bootstrap of so few images lacks."""
    covered = 0
    truth = 100 * (0.8 * np.exp(0.15**2 / 2) - 1)
    for seed in range(40):
        records = _records(np.random.default_rng(seed), 12)
        rate = dict(bootstrap.bd_rates(records, "psnr", replicates=40))["a", "b"]
        covered += rate.interval[0] <= truth <= rate.interval[1]
    assert covered >= 33


def test_few_images_have_no_interval_and_short_curves_no_rate():
    records = _records(np.random.default_rng(0), 3)
    assert dict(bootstrap.bd_rates(records, "psnr"))["a", "b"].interval is None
    short = [r for r in records if r["codec"] == "a" or r["quality"] < 2]
    assert dict(bootstrap.bd_rates(short, "psnr"))["a", "b"] is None
