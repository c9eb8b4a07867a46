"""Programs for CPU, CUDA and TPU at once: nothing that is shipped or trained is of one alone.

Lowered, not compiled. The steps of the large configs are marked, for they take a minute each:

    pytest -n 0 -m tpu_aot tests/test_lowering.py
"""

import pathlib

import jax
import jax.export
import pytest

pytest.importorskip("optax")

from jaxlic import models, portable
from jaxlic.core import Codec
from train.compile import jit_step, trace_step
from train.experiment import load_experiment

ROOT = pathlib.Path(__file__).parent.parent
CONFIGS = sorted(path.stem for path in (ROOT / "configs").glob("*.py"))
# Real files are written by Pillow on the host, in programs for one platform at a time.
SETTINGS = {
    "sain": {"real": "false", "formats": "jpeg", "batch": "2", "crop": "32"},
    "sain_paper": {"real": "false"},
}
QUICK = ("smoke", "base", "sain")


@pytest.mark.parametrize("name", sorted(models.shipped()))
def test_what_pixels_are_made_by_is_for_every_platform(name):
    model = models.load_model(name)
    part = "synthesis" if isinstance(model.codec, Codec) else "upscale"
    program = portable.program(model, part, (64, 64))
    exported = jax.export.export(jax.jit(program.function), platforms=portable.PLATFORMS)
    assert exported(*program.inputs.values()).platforms == portable.PLATFORMS


@pytest.mark.parametrize(
    "name",
    [n if n in QUICK else pytest.param(n, marks=pytest.mark.tpu_aot) for n in CONFIGS],
)
def test_a_step_is_for_every_platform(name):
    e = load_experiment(ROOT / "configs" / f"{name}.py", SETTINGS.get(name, {}))
    inputs = trace_step(e, jax.devices()[:1]).args_info[0]
    exported = jax.export.export(jit_step(e, jax.devices()[:1]), platforms=portable.PLATFORMS)(
        *jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype), inputs)
    )
    assert exported.platforms == portable.PLATFORMS
