import io

import pytest
from PIL import Image

from jaxlic.study import analysis, plot
from tests.study.small import make_study, simulated
from tests.study.test_analysis import values


def test_a_panel_a_photograph_and_one_of_observers(tmp_path):
    pytest.importorskip("matplotlib")
    study = make_study(tmp_path / "s", photographs=2)
    simulated(study, values(study), 4)
    result = analysis.analyse(study, draws=4)
    with Image.open(io.BytesIO(plot.draw(result))) as image:
        assert image.size[0] > 1000
    text = plot.draw(result, format_="svg").decode()
    assert "<svg" in text
