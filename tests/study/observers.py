"""Observers of known sensitivity, to ask what a real study would."""

from __future__ import annotations

import numpy as np

from jaxlic.study.scale import Answers


def population(
    count: int, spread: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Sensitivities of a geometric mean of 1 in the population, and doubts."""
    return np.exp(rng.normal(0, spread, count)), np.exp(rng.normal(np.log(0.4), 0.5, count))


def ask(
    pairs: list[tuple[int, int]],
    values: np.ndarray,
    sensitivity: np.ndarray,
    doubt: np.ndarray,
    rng: np.random.Generator,
) -> Answers:
    """What they answer to all pairs, each shown from a side drawn by lot."""
    observers = len(sensitivity)
    pair = np.tile(np.array(pairs), (observers, 1))
    swap = rng.random(len(pair)) < 0.5
    pair[swap] = pair[swap][:, ::-1]
    of = np.repeat(np.arange(observers), len(pairs))
    v = np.append(values, 0.0)  # -1 is the original.
    seen = sensitivity[of] * (v[pair[:, 0]] - v[pair[:, 1]]) + rng.normal(size=len(of))
    response = np.where(seen > doubt[of], 0, np.where(seen < -doubt[of], 2, 1))
    return Answers(of, pair[:, 0], pair[:, 1], response, len(values), observers)


def design(images: int, codecs: int, levels: int) -> tuple[list[tuple[int, int]], np.ndarray]:
    """The pairs of a small study as `plan.questions` draws them, and true values."""
    import itertools

    pairs, values = [], []
    for image in range(images):
        for codec in range(codecs):
            base = (image * codecs + codec) * levels
            own = [-1, *range(base, base + levels)]
            pairs += list(itertools.combinations(own, 2))
            top = 1.2 + 0.3 * image + 0.2 * codec
            values += list(np.linspace(top / levels, top, levels))
        first = image * codecs * levels
        pairs += [
            (first + a, first + levels + b)
            for a in range(levels)
            for b in range(levels)
            if codecs > 1 and abs(a - b) <= 1
        ]
    return pairs, np.array(values)
