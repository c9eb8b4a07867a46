"""From answers to a scale: Thurstone's case V, with sensitivity and doubt of each observer.

Observer o sees the distortions of two pictures, v, with noise of one unit in their difference:

    d = s_o (v_left - v_right),   x ~ N(d, 1)
    "left" if x > t_o,  "right" if x < -t_o,  else "not sure"

v of an original is 0. The sensitivities s_o have a geometric mean of 1: v is the scale of the
middle observer, s_o v that of observer o. A picture at one just-noticeable difference (JND) is
told from the original in 75 % of forced choices: jnd = v / Phi^-1(0.75).

Each observer has two parameters and few answers, and a fit that has many to adjust finds people
more certain than they are: by 5 to 10 % with 30 answers each. By how much is found by asking
simulated observers of the fitted scale, and divided out (`overstated`).

Values maximise the likelihood, with priors that weigh little, so that answers which agree
throughout have a finite value: log s_o ~ N(0, 1), log t_o ~ N(log 1/2, 1), v ~ N(0, 8^2).

Intervals are over observers: whole observers are drawn again, not their answers. Answers pooled
as if all were of one observer give intervals that are too short where observers differ.

Sources: Thurstone 1927, doi:10.1037/h0070288; the third answer, Glenn & David 1960,
doi:10.2307/2527957. AIC-3's public analyses count "not sure" as half of each instead.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable

import numpy as np
from scipy import optimize, sparse, special, stats

JND = float(special.ndtri(0.75))
_LEFT, _UNSURE, _RIGHT = 0, 1, 2
_DOUBT = float(np.log(0.5))
_VALUE_SD = 8.0
_BOUND = 12.0  # Of log s and log t, far outside of anybody's.


@dataclasses.dataclass(frozen=True)
class Answers:
    """One row an answer.

    Attributes:
        observer: int `[N]`, from 0 on.
        left, right: int `[N]`, indices of pictures; -1 for an original.
        response: int `[N]`; 0 left, 1 not sure, 2 right.
        pictures: how many there are.
        observers: how many there are.
    """

    observer: np.ndarray
    left: np.ndarray
    right: np.ndarray
    response: np.ndarray
    pictures: int
    observers: int

    @functools.cached_property
    def difference(self) -> np.ndarray:
        """`[N, pictures]`: 1 for the picture on the left, -1 for that on the right."""
        matrix = np.zeros((len(self.left), self.pictures + 1))
        rows = np.arange(len(self.left))
        np.add.at(matrix, (rows, self.left), 1.0)  # -1: the last column, which is dropped.
        np.add.at(matrix, (rows, self.right), -1.0)
        return matrix[:, :-1]


@dataclasses.dataclass(frozen=True)
class Scale:
    """What answers say.

    Attributes:
        values: `[pictures]`, v, in units of the noise.
        sensitivity: `[observers]`, s, of geometric mean 1.
        doubt: `[observers]`, t, in units of the noise.
    """

    values: np.ndarray
    sensitivity: np.ndarray
    doubt: np.ndarray

    @property
    def jnd(self) -> np.ndarray:
        """The values in just-noticeable differences."""
        return self.values / JND


def fit(
    answers: Answers,
    *,
    weights: np.ndarray | None = None,
    start: Scale | None = None,
    equal: bool = False,
    tolerance: float = 1e-3,
) -> Scale:
    """The most likely scale.

    Args:
        answers: of all observers.
        weights: `[observers]`, how often each counts; once unless given.
        start: where to begin to look.
        equal: takes all observers to be one, of sensitivity 1: to compare with, not to use.
        tolerance: of the gradient of the log likelihood.

    Raises:
        ValueError: if there is no answer.
    """
    if not len(answers.response):
        raise ValueError("there are no answers")
    n, m = answers.pictures, answers.observers
    weights = np.ones(m) if weights is None else np.asarray(weights, float)
    x = np.concatenate([np.zeros(n), np.zeros(m), np.full(m, _DOUBT)])
    if start is not None:
        x = np.concatenate([start.values, np.log(start.sensitivity), np.log(start.doubt)])
    cost = _cost(answers, weights, equal=equal)
    found = optimize.minimize(
        lambda p: cost(p)[0],
        x,
        jac=lambda p: cost(p)[1],
        hess=lambda p: cost(p)[2],
        method="trust-exact",
        options={"gtol": tolerance, "initial_trust_radius": 10.0, "max_trust_radius": 1e3},
    )
    values, log_s, log_t = np.split(found.x, [n, n + m])
    centre = float(np.average(log_s, weights=weights)) if not equal else 0.0
    return Scale(values * np.exp(centre), np.exp(log_s - centre), np.exp(log_t))


def _cost(answers: Answers, weights: np.ndarray, *, equal: bool) -> Callable:
    """Minus the log likelihood, its gradient, and Fisher's information for the Hessian."""
    n, m = answers.pictures, answers.observers
    x, of = answers.difference, answers.observer
    w = weights[of]
    prior = np.concatenate([np.full(n, _VALUE_SD**-2), np.tile(np.maximum(weights, 1e-3), 2)])
    centre = np.concatenate([np.zeros(n + m), np.full(m, _DOUBT)])
    picked = np.arange(len(of)), answers.response
    who = sparse.csr_array((np.ones(len(of)), (of, np.arange(len(of)))), shape=(m, len(of)))
    last: dict[bytes, tuple[float, np.ndarray, np.ndarray]] = {}

    def per_observer(values: np.ndarray) -> np.ndarray:
        return np.bincount(of, values, minlength=m)

    def evaluate(p: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        bounded = np.clip(p[n:], -_BOUND, _BOUND)
        s, t = (np.ones(m) if equal else np.exp(bounded[:m])), np.exp(bounded[m:])
        d = s[of] * (x @ p[:n])
        doubt = t[of]
        chance, by_d, by_t = _probabilities(d, doubt)
        off = p - centre
        value = -float(w @ np.log(chance[picked])) + 0.5 * float(prior @ off**2)
        g_d, g_t = (w * (by[picked] / chance[picked]) for by in (by_d, by_t))
        sensitive = np.zeros_like(d) if equal else d
        gradient = -np.concatenate(
            [x.T @ (g_d * s[of]), per_observer(g_d * sensitive), per_observer(g_t * doubt)]
        )
        i_dd = w * np.sum(by_d**2 / chance, axis=1)
        i_dt = w * np.sum(by_d * by_t / chance, axis=1)
        i_tt = w * np.sum(by_t**2 / chance, axis=1)
        h = np.zeros((n + 2 * m, n + 2 * m))
        h[:n, :n] = x.T @ (x * (i_dd * s[of] ** 2)[:, None])
        h[n : n + m, :n] = who @ (x * (i_dd * s[of] * sensitive)[:, None])
        h[n + m :, :n] = who @ (x * (i_dt * s[of] * doubt)[:, None])
        h[:n, n:] = h[n:, :n].T
        places = n + np.arange(m)
        h[places, places] = per_observer(i_dd * sensitive**2)
        h[places + m, places + m] = per_observer(i_tt * doubt**2)
        h[places, places + m] = h[places + m, places] = per_observer(i_dt * sensitive * doubt)
        h[np.diag_indices_from(h)] += prior
        return value, gradient + prior * off, h

    def cost(p: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        key = p.tobytes()
        if key not in last:
            last.clear()
            last[key] = evaluate(p)
        return last[key]

    return cost


def _probabilities(d: np.ndarray, t: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`[N, 3]` of left, not sure, right; and their derivatives by d and by t."""
    chance = np.stack(
        [
            special.ndtr(d - t),
            special.ndtr(t - np.abs(d)) - special.ndtr(-t - np.abs(d)),
            special.ndtr(-d - t),
        ],
        axis=1,
    )
    near, far = (np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi) for z in (d - t, d + t))
    by_d = np.stack([near, far - near, -far], axis=1)
    by_t = np.stack([-near, far + near, -far], axis=1)
    return np.maximum(chance, 1e-12), by_d, by_t


def measure(
    answers: Answers, *, draws: int = 400, seed: int = 0
) -> tuple[Scale, np.ndarray | None]:
    """The scale, corrected, and what `bootstrap` draws (None of a single observer).

    What is drawn is left as large as it is found: the correction is an estimate too.

    Raises:
        ValueError: if there is no answer.
    """
    best = fit(answers)
    factor = overstated(answers, best, seed=seed)
    drawn = bootstrap(answers, best, draws=draws, seed=seed) if answers.observers > 1 else None
    return dataclasses.replace(best, values=best.values / factor), drawn


def overstated(answers: Answers, best: Scale, *, draws: int = 20, seed: int = 0) -> float:
    """How much larger values are than those that simulated observers answer from."""
    chance = np.random.default_rng([seed, 1])
    of = answers.observer
    d = best.sensitivity[of] * (answers.difference @ best.values)
    size = float(best.values @ best.values)
    if size < 1e-6:
        return 1.0
    slopes = []
    for _ in range(draws):
        x, doubt = d + chance.normal(size=len(d)), best.doubt[of]
        response = np.where(x > doubt, _LEFT, np.where(x < -doubt, _RIGHT, _UNSURE))
        again = dataclasses.replace(answers, response=response)
        values = fit(again, start=best, tolerance=0.02).values
        slopes.append(float(values @ best.values) / size)
    return float(np.mean(slopes))


def bootstrap(answers: Answers, best: Scale, *, draws: int = 400, seed: int = 0) -> np.ndarray:
    """Values `[draws, pictures]` of studies with observers drawn from those there were."""
    chance = np.random.default_rng(seed)
    m = answers.observers
    rows = []
    for _ in range(draws):
        weights = np.bincount(chance.integers(m, size=m), minlength=m)
        rows.append(fit(answers, weights=weights, start=best, tolerance=0.02).values)
    return np.array(rows)


def interval(
    best: np.ndarray, drawn: np.ndarray, observers: int, *, level: float = 0.95
) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper ends for what was drawn by `bootstrap`, in the units of `best`.

    best -+ t(observers - 1) sqrt(n / (n - 1)) sd: of few observers the bootstrap's own
    quantiles are too near, for it divides by n and knows nothing of Student's t.

    Raises:
        ValueError: if there are fewer than two observers.
    """
    if observers < 2:
        raise ValueError(f"intervals need two observers, got {observers}")
    width = stats.t.ppf(0.5 + level / 2, observers - 1) * np.sqrt(observers / (observers - 1))
    reach = width * drawn.std(axis=0)
    return best - reach, best + reach


def level_at(jnd: float, levels: np.ndarray, values: np.ndarray) -> float | None:
    """Where a codec's values reach `jnd`, between its levels; None if they do not.

    Args:
        jnd: the difference looked for, in the units of `values`.
        levels: `[L]`, such as qualities or scales.
        values: `[L]`; the lowest crossing counts, from the original's 0 upwards.
    """
    order = np.argsort(values)
    x, y = np.asarray(values, float)[order], np.asarray(levels, float)[order]
    if not len(x) or not x[0] <= jnd <= x[-1]:
        return None
    return float(np.interp(jnd, x, y))
