import dataclasses

import pytest

from jaxlic.errors import UsageError
from jaxlic.report import kpi, prices
from tests.report.test_operating import records
from tests.report.test_prices import LIST


@pytest.fixture
def listed(tmp_path):
    (tmp_path / "p.toml").write_text(LIST)
    found = prices.read(tmp_path / "p.toml")
    return dataclasses.replace(found, before="a", quality=20.0, after="b")


def _both(gain=6.0, factor=1.0):
    return [*records("a"), *records("b", factor=factor, gain=gain)]


def test_the_bill_is_what_a_hand_computes(listed):
    """At 30 dB "a" takes a bit a pixel and "b", 6 dB better, half of one."""
    found = kpi.account(_both(), listed)
    assert found.after.quality == pytest.approx(10) and found.bytes_saved == pytest.approx(0.5)
    stored = 1000 * 1e6 / 8 / 1e9  # GB of "a".
    old, new = found.bills
    assert old.storage == pytest.approx(0.02 * stored)
    assert old.egress == pytest.approx(0.1 * 10 * stored)
    assert new.month == pytest.approx(old.month / 2)
    assert found.saving == pytest.approx(old.month / 2) and found.break_even == 0
    assert found.interval is None  # Of two images.


def test_seconds_energy_and_the_change_cost_what_they_cost(listed):
    dear = dataclasses.replace(
        listed, cpu=0.01, energy=0.3, cpu_watts=36.0, decoded=0.5, processors=2.0, one_off=7.0
    )
    found = kpi.account(_both(), dear)
    new = found.bills[1]
    # 0.4 s for the 8000 pixels of a file: half of 10,000 views of a megapixel, two processors.
    busy = 2 * 0.5 * 1000 * 10 * 1e6 * (0.4 / 8000)
    assert new.compute == pytest.approx(0.01 * busy)
    assert new.energy == pytest.approx(0.3 * 36 * busy / 3.6e6)
    coding = 2 * 1000 * 1e6 * found.after.encode * (0.01 + 0.3 * 36 / 3.6e6)
    assert new.coding == pytest.approx(coding)
    assert found.break_even == pytest.approx((coding + 7) / found.saving)


def test_refining_is_paid_for_by_the_new_codec_alone_and_may_cost_more_than_it_saves(listed):
    dear = dataclasses.replace(listed, gpu=0.01, decoded=0.5, refined=0.2, refine_seconds=3.0)
    found = kpi.account(_both(), dear)
    assert found.bills[0].refining == 0
    assert found.bills[1].refining == pytest.approx(0.01 * 3 * 0.1 * 10_000)
    assert found.saving < 0 and found.break_even is None


def test_sensitivity_is_the_account_with_another_price(listed):
    found = kpi.account(_both(), listed)
    for name in ("egress", "views", "images"):
        for factor, saving in zip((0.5, 2.0), found.sensitivity[name], strict=True):
            other = dataclasses.replace(listed, **{name: factor * getattr(listed, name)})
            assert saving == pytest.approx(kpi.account(_both(), other).saving)


def test_the_interval_holds_the_saving_and_knows_the_spread_of_images(listed):
    many = []
    for i in range(8):
        for r in _both(gain=3 + (i - 3.5) / 4):
            many.append(r | {"image": f"{r['image']}{i}"})
    found = kpi.account(many, dataclasses.replace(listed, quality=20.0))
    low, high = found.interval
    assert low < found.saving < high


def test_the_worst_are_those_that_lose_most(listed):
    pairs = _both()
    for r in pairs:
        if r["codec"] == "b":
            r["psnr"] += 1.0 if r["image"] == "x" else -1.0
            r["agreement"] = float(r["quality"] > 10)
    found = kpi.account(pairs, listed)
    (image, before, after), _ = kpi.worst(found)
    assert image == "y" and after - before == pytest.approx(-1, abs=0.01)
    assert found.tasks[0] == ("agreement", "b", 10.0, 0.5, 0.0) and found.tasks[2][-1] == 1.0


def test_what_cannot_be_compared_is_said(listed):
    with pytest.raises(UsageError, match="measured at 10, 20, 40, not 80"):
        kpi.account(_both(), dataclasses.replace(listed, quality=80.0))
    with pytest.raises(UsageError, match="evaluate more qualities"):
        kpi.account(_both(gain=-60), listed)
    with pytest.raises(UsageError, match="other images"):
        kpi.account([r for r in _both() if r["codec"] == "a" or r["image"] == "x"], listed)
