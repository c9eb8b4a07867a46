import jax.numpy as jnp
import numpy as np
import pytest

from jaxlic.errors import ModelError
from jaxlic.files.weights import save_arrays
from jaxlic.metrics import frechet, perceptual
from jaxlic.report import anchors, evaluation, judges
from tests.conftest import DATA
from tests.metrics.test_efficientnet import random_arrays

FILE = DATA / "kodim23_crop.png"
SHIPS = {name: None for name in ("ms-ssim", "gmsd", "mesh", "jnd", "st-lpips")}


def test_measures_are_added_to_the_records():
    codecs = {"jpeg": (anchors.standard("jpeg"), (20, 95))}
    judge = judges.judge(SHIPS)
    low, high = evaluation.evaluate([FILE], codecs, judge=judge)
    assert set(judges.columns(list(SHIPS))) <= set(low)
    assert low["ms_ssim"] < high["ms_ssim"] < 1
    assert 0 <= high["mesh"] < 1 and 0 <= low["mesh"] < 1
    for name in ("gmsd", "st_lpips", "jnd_share", "jnd_excess"):
        assert 0 < high[name] < low[name] < 5
    tiny = np.zeros((20, 20, 3), np.uint8)
    assert np.isnan(judge(tiny, tiny)["ms_ssim"]) and judge(tiny, tiny)["gmsd"] == 0
    assert judges.judge({})(tiny, tiny) == {}


def test_an_original_is_known_by_its_pixels():
    judge, distance = judges.judge({"st-lpips": None}), perceptual().distance
    rng = np.random.default_rng(0)
    one, other, back = rng.integers(0, 256, (3, 48, 64, 3), dtype=np.uint8)

    def expected(image):
        x, y = (jnp.asarray(a[None] / np.float32(255)) for a in (back, image))
        return pytest.approx(float(distance(x, y)[0]), rel=1e-4)

    buffer = one.copy()
    for image in (one, other, one):
        assert judge(image, back) == {"st_lpips": expected(image)}
        buffer[:] = image
        assert judge(buffer, back) == {"st_lpips": expected(image)}
    with pytest.raises(ValueError, match="cannot be compared"):
        judge(one, back[:, :63])


def test_names_and_files():
    assert judges.parse("") == {}
    found = judges.parse("gmsd,dists=a/b.safetensors,fd-effnetlite0=c")
    assert found == {"gmsd": None, "dists": "a/b.safetensors", "fd-effnetlite0": "c"}
    assert judges.columns(list(found)) == ["gmsd", "dists"]
    for text, message in {
        "beauty": "metrics are ms-ssim",
        "lpips-alex": "needs its network",
        "st-lpips-vgg=": "needs its network",
        "gmsd=file": "takes no file",
    }.items():
        with pytest.raises(ValueError, match=message):
            judges.parse(text)


def test_a_set_is_judged_together(tmp_path):
    assert judges.collector(SHIPS) is None
    path = tmp_path / "lite0.safetensors"
    save_arrays(path, random_arrays(), "579344248a93e230" + 48 * "0")
    assert isinstance(judges.collector({judges.SET: str(path)}), frechet.Collector)
    with pytest.raises(ModelError, match="cannot be read"):
        judges.collector({judges.SET: str(tmp_path / "none")})


def test_more_is_better_on_the_scale():
    assert judges.scaled("psnr_y", np.array(30.0)) == 30
    assert judges.scaled("ms_ssim", np.array(0.99)) == pytest.approx(20)
    assert judges.scaled("jnd_share", np.array(0.01)) == pytest.approx(20)


def test_agreement_is_whether_the_answer_stays():
    image = np.full((40, 50, 3), 100, np.uint8)
    judge = judges.agreement(lambda picture: int(picture.mean()) // 10, "agreement-tens")
    assert judge(image, image + 5) == {"agreement-tens": 1.0}
    assert judge(image, image + 15) == {"agreement-tens": 0.0}
    assert judges.scaled("agreement-tens", np.array(0.5)) == 50


def test_a_network_that_sees_the_same_agrees(tmp_path):
    path = tmp_path / "lite0.safetensors"
    arrays = random_arrays()
    save_arrays(path, arrays, "579344248a93e230" + 48 * "0")
    with pytest.raises(ModelError, match="has no classifier"):
        judges.judge({judges.AGREEMENT: str(path)})
    rng = np.random.default_rng(3)
    arrays["classifier/kernel"] = rng.normal(size=(1280, 5)).astype(np.float32)
    arrays["classifier/bias"] = np.zeros(5, np.float32)
    save_arrays(path, arrays, "579344248a93e230" + 48 * "0")
    judge = judges.judge(judges.parse(f"{judges.AGREEMENT}={path}"))
    image = np.asarray(rng.integers(0, 256, (40, 60, 3)), np.uint8)
    assert judge(image, image) == {"agreement_effnetlite0": 1.0}
    assert judges.columns([judges.AGREEMENT]) == ["agreement_effnetlite0"]
