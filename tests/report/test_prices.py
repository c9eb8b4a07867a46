import pathlib
import re

import pytest

from jaxlic.errors import FileError
from jaxlic.report import prices

LIST = """
currency = "EUR"
[prices]
storage_gb_month = 0.02
egress_gb = 0.1
[use]
images = 1000
views_per_image_month = 10
megapixels = 1.0
[compare]
from = "jpeg"
quality = 80
to = "base"
"""


def test_a_price_list_says_what_it_says_and_no_more(tmp_path):
    (tmp_path / "p.toml").write_text(LIST)
    found = prices.read(tmp_path / "p.toml")
    assert (found.currency, found.storage, found.views) == ("EUR", 0.02, 10)
    assert (found.before, found.quality, found.after, found.metric) == (
        "jpeg",
        80,
        "base",
        "psnr",
    )
    assert found.cpu == found.gpu == found.energy == found.decoded == 0


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("images = 1000", "", "use.images is missing"),
        ("images = 1000", "images = -1", "use.images must be a number from 0 on"),
        ("images = 1000", "images = 0", "use.images must be above 0"),
        ("images = 1000", "images = nan", "use.images must be"),
        ("images = 1000", "images = true", "use.images must be"),
        ("images = 1000", "images = 1000\ndecoded_by_us = 2", "at most 1"),
        ("egress_gb", "egres_gb", "prices.egres_gb is not known"),
        ("[compare]", "[compared]", "is not known"),
        ("[use]", "use = 3\n[us]", "is not known"),
        ('"jpeg"', "5", "compare.from must be a line of text"),
        ("[use]", "[use", "is no price list"),
    ],
)
def test_what_is_wrong_is_said_in_a_line_with_the_name_of_the_file(tmp_path, old, new, reason):
    (tmp_path / "p.toml").write_text(LIST.replace(old, new))
    with pytest.raises(FileError) as error:
        prices.read(tmp_path / "p.toml")
    assert "p.toml" in str(error.value) and reason in str(error.value)


def test_the_price_list_of_the_documentation_is_one(tmp_path):
    text = (pathlib.Path(__file__).parents[2] / "docs" / "kpi.md").read_text(encoding="utf-8")
    (listed,) = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    (tmp_path / "p.toml").write_text(listed)
    found = prices.read(tmp_path / "p.toml")
    assert (found.before, found.after, found.megapixels) == ("jpeg", "base", 0.393)
