"""A student learns the synthesis alone, and reads the files of its teacher."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxlic
from jaxlic import models
from jaxlic.losses.distillation import beside_a_teacher
from jaxlic.losses.rate_distortion import rate_distortion
from tests.conftest import TINY
from train.distil import PART, synthesis_alone
from train.experiment import Experiment
from train.step import init_state, make_step

SMALLER = dict(synthesis_hidden=4, synthesis_blocks=[0, 1])


@pytest.fixture(scope="module")
def teacher(tiny, tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "teacher"
    models.save_model(path, tiny[1], TINY, {"id": "teacher", "number": 0})
    return path


@pytest.fixture(scope="module")
def experiment(teacher):
    return Experiment(
        name="student",
        spec=models.Spec(TINY.builder, {**TINY.settings, **SMALLER}),
        teacher=str(teacher),
        init_from=str(teacher),
        loss=rate_distortion(lambda q: 0.01 + 0 * q, beside_a_teacher(0.5)),
        optimizer=synthesis_alone(optax.adamw(1e-2, weight_decay=0.1)),
        crop=64,
        batch=2,
        steps=3,
    )


@pytest.fixture(scope="module")
def trained(experiment):
    """State before and after three steps, and the last metrics."""
    start = models.load_params(experiment.teacher)
    state = first = jax.jit(lambda: init_state(experiment, start))()
    step = jax.jit(make_step(experiment))
    image = jax.random.randint(jax.random.key(0), (2, 64, 64, 3), 0, 256).astype(jnp.uint8)
    for _ in range(3):
        state, metrics = step(state, {"image": image})
    return first, state, metrics


def test_all_but_the_synthesis_stays_to_the_bit(trained):
    first, last, _ = trained
    for before, after in ((first.params, last.params), (first.ema, last.ema)):
        before, after = (jax.tree_util.tree_leaves_with_path(a) for a in (before, after))
        for (path, a), (_, b) in zip(before, after, strict=True):
            same = bool((a == b).all())
            assert same != (jax.tree_util.DictKey(PART) in path), path


def test_the_metrics_say_what_is_lost_against_the_teacher(trained):
    _, _, metrics = trained
    assert {"loss", "bpp", "psnr", "teacher_gap", "psnr_lost"} <= set(metrics)
    assert float(metrics["teacher_gap"]) > 0


def test_the_students_latents_are_the_teachers(experiment, tiny):
    params = jax.jit(lambda: init_state(experiment))().params
    other = jax.tree.map(lambda a: a + 1, params)
    image = jax.random.uniform(jax.random.key(1), (1, 64, 64, 3))
    forward = jax.jit(experiment.codec.forward)
    a, b = (forward(p, image, jnp.full(1, 40.0), jax.random.key(2)) for p in (params, other))
    np.testing.assert_array_equal(a.aux["y_hat"], b.aux["y_hat"])
    np.testing.assert_array_equal(a.aux["y_hat"], np.round(a.aux["y_hat"] * 64) / 64)
    assert (a.x_hat != b.x_hat).any()


def test_a_student_reads_its_teachers_files(trained, experiment, teacher, photo, tmp_path):
    description = {"id": "student", "number": 0, "parent": str(teacher)}
    tables = models.load_model(teacher).tables
    out = tmp_path / "student"
    models.save_model(out, trained[1].ema, experiment.spec, description, tables)
    a, b = jaxlic.load(str(teacher)), jaxlic.load(str(out))
    assert a.model.stream == b.model.stream and a.model.pixels != b.model.pixels
    data = a.compress(photo, quality=40)
    np.testing.assert_array_equal(a.latents(data)[0], b.latents(data)[0])
    there, here = a.decompress(data), b.decompress(data)
    assert here.shape == there.shape and (here != there).any()
    assert b.compress(photo, quality=40) == data


def test_a_student_of_other_latents_is_told_apart(teacher):
    base, other = (
        models._of_stream(models.Spec(TINY.builder, s), ())
        for s in (TINY.settings, {**TINY.settings, **SMALLER})
    )
    assert base == other
    wider = models.Spec(TINY.builder, {**TINY.settings, "latents": 32})
    assert models._of_stream(wider, ()) != base
