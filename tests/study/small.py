"""A study of one small photograph, made in no time."""

import shutil

import numpy as np

from jaxlic.report import anchors
from jaxlic.study import folder, observers, stimuli, store
from jaxlic.study.store import Answer
from tests.conftest import DATA


def make_study(path, *, kind=folder.PLAIN, photographs=1, seed=0, levels=(20, 60)):
    """Writes it; returns it as it is read again."""
    photos = path.parent / "photos"
    photos.mkdir(exist_ok=True)
    names = ["kodim05_crop.png", "kodim23_crop.png"][:photographs]
    files = [shutil.copy(DATA / name, photos / name) for name in names]
    codecs = [stimuli.coded("jpeg", levels, anchors.standard("jpeg"))]
    if kind == folder.AB:
        codecs = [
            stimuli.coded(name, levels[:1], anchors.standard(name)) for name in ("jpeg", "webp")
        ]
    made = folder.make(
        path,
        files,
        codecs,
        kind=kind,
        size=(256, 192),
        block=4,
        seed=seed,
        words={"title": "A test", "contact": "", "consent": ""},
    )
    list(made)
    return folder.load(path)


def answer(session, question, response="left", *, seconds=1.0, **more):
    """An answer as a page sends it."""
    shown = dict(toggles=1, reloads=0, pixel_ratio=1.0, screen_width=1920, screen_height=1080)
    shown |= dict(window_width=1900, window_height=1000)
    shown |= dict(phases=0, phase_mean=0.0, phase_longest=0.0)
    return Answer(session, question, response, seconds, **(shown | more))


def simulated(study, values, count, *, seed=0, spread=0.3):
    """Stores the answers of observers who see `values` (by picture); returns sensitivities."""
    rng = np.random.default_rng(seed)
    sensitivity = np.exp(rng.normal(0, spread, count))
    with store.opened(study) as answers:
        for own in sensitivity:
            session, version = store.begin(answers, len(study.versions))
            mirrored = observers.swapped(study, version)
            for question in study.questions.values():
                left, right = observers.sides(question, mirrored[question.id])
                seen = own * (values[left] - values[right]) + rng.normal()
                response = "left" if seen > 0 else "right"
                if study.kind != folder.AB and abs(seen) < 0.3:
                    response = "not sure"
                store.add(answers, answer(session, question.id, response))
    return sensitivity
