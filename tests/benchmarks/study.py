"""How often 95 % intervals of a study hold the truth, with observers of known sensitivity.

    python -m tests.benchmarks.study --studies 300

Simulated studies of one photograph, two codecs at four levels (30 triplets an observer); the
logarithms of the sensitivities are normal, of standard deviation `--spread`. The last column is
what pooling gives: one observer for all, intervals by drawing answers again.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from jaxlic.study import scale
from jaxlic.study.scale import Answers
from tests.study import observers


def pooled(answers: Answers, draws: int, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    """Ends of the intervals of a fit that knows no observers."""

    def fit(rows: np.ndarray) -> np.ndarray:
        parts = (answers.left[rows], answers.right[rows], answers.response[rows])
        one = Answers(np.zeros(len(rows), int), *parts, answers.pictures, 1)
        return scale.fit(one, equal=True).values

    n = len(answers.response)
    drawn = np.array([fit(rng.integers(n, size=n)) for _ in range(draws)])
    best = fit(np.arange(n))
    return best - 1.96 * drawn.std(axis=0), best + 1.96 * drawn.std(axis=0)


def coverage(
    count: int, studies: int, draws: int, *, spread: float, seed: int, pool: bool = True
) -> tuple[float, ...]:
    """Shares of true values inside of the intervals; and their mean width, in JND.

    Returns:
        Coverage and width of ours, and the slope of values over true ones; coverage and width
        of pooling, unless `pool` is False.
    """
    rng = np.random.default_rng([seed, count])
    pairs, truth = observers.design(1, 2, 4)
    found = []
    for study in range(studies):
        answers = observers.ask(pairs, truth, *observers.population(count, spread, rng), rng)
        best, drawn = scale.measure(answers, draws=draws, seed=study)
        assert drawn is not None
        ends = scale.interval(best.values, drawn, count)
        slope = float(best.values @ truth / (truth @ truth))
        theirs = _judged(pooled(answers, draws, rng), truth) if pool else ()
        found.append([*_judged(ends, truth), slope, *theirs])
    return tuple(np.mean(found, axis=0).tolist())


def _judged(ends: tuple[np.ndarray, ...], truth: np.ndarray) -> tuple[float, float]:
    low, high = ends
    return float(np.mean((low <= truth) & (truth <= high))), float(
        np.mean(high - low)
    ) / scale.JND


def main() -> None:
    """Prints a row for each number of observers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=300)
    parser.add_argument("--draws", type=int, default=80)
    parser.add_argument("--spread", type=float, default=0.4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--observers", type=int, nargs="+", default=[10, 20, 30])
    args = parser.parse_args()
    print(
        f"{'observers':>9} {'coverage':>9} {'width':>6} {'slope':>6}   pooled, likewise (JND)"
    )
    for count in args.observers:
        began = time.perf_counter()
        ours, width, slope, theirs, narrow = coverage(
            count, args.studies, args.draws, spread=args.spread, seed=args.seed
        )
        seconds = time.perf_counter() - began
        print(
            f"{count:>9} {ours:>9.1%} {width:>6.2f} {slope:>6.2f}   "
            f"{theirs:>8.1%} {narrow:>6.2f}   ({seconds:.0f} s)",
            flush=True,
        )


if __name__ == "__main__":
    main()
