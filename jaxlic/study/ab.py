"""Which of two codecs: a win rate with its interval, and when one may stop asking.

One number an observer: the share of photographs where the new codec differed less from the
original. Observers are independent, their answers are not; so the interval is over observers.

It holds at every moment at once (a confidence sequence): look after each observer and stop when
it says enough, and it is still wrong in 5 % of studies at most. For each mean m gamblers bet
above and below it, at odds that are fair if the mean is m; a mean at which one of them becomes
2 / alpha times richer is not believed (Ville's inequality). Nothing is assumed of the numbers
but that they are in [0, 1] and that observers come as from one population.

Source: Waudby-Smith & Ramdas 2024, arXiv:2010.09686, with constant bets mixed on a grid.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from scipy import stats

HURTS, HARMLESS, BETTER, GO_ON = "hurts", "does not hurt", "is better", "go on"
_BETS = np.linspace(0.02, 0.98, 25)  # Shares of the largest bet that cannot lose everything.
_MEANS = np.linspace(0, 1, 1001)


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What the shares say.

    Attributes:
        observers: how many.
        rate: the mean share of wins, in [0, 1]; 0.5 if nobody was asked.
        low, high: ends of the interval that holds whenever one looks.
        fixed: ends of Student's interval, which holds only if the number of observers was
            fixed before; None for fewer than two.
        decision: `HURTS` if the rate is below a half, `BETTER` if above, `HARMLESS` if not
            below a half by as much as the margin, `GO_ON` otherwise.
    """

    observers: int
    rate: float
    low: float
    high: float
    fixed: tuple[float, float] | None
    decision: str


def judge(shares: Sequence[float], *, margin: float = 0.1, alpha: float = 0.05) -> Verdict:
    """The verdict on the shares of wins of all observers so far, in the order they came.

    Args:
        shares: in [0, 1], one an observer.
        margin: how far below a half the win rate may be for the new codec not to hurt.
        alpha: the share of studies in which the interval may miss, whenever one looks.

    Raises:
        ValueError: if a share is not in [0, 1], or `margin` or `alpha` not in (0, 1).
    """
    x = np.asarray(shares, float)
    if x.ndim != 1 or not np.all((x >= 0) & (x <= 1)):
        raise ValueError("shares must be in [0, 1]")
    if not (0 < margin < 1 and 0 < alpha < 1):
        raise ValueError(f"margin and alpha must be in (0, 1), got {margin} and {alpha}")
    low, high = sequence(x, alpha=alpha)
    decision = GO_ON
    if high < 0.5:
        decision = HURTS
    elif low > 0.5:
        decision = BETTER
    elif low > 0.5 - margin:
        decision = HARMLESS
    rate = float(x.mean()) if len(x) else 0.5
    fixed = None
    if len(x) > 1:
        reach = stats.t.ppf(1 - alpha / 2, len(x) - 1) * x.std(ddof=1) / np.sqrt(len(x))
        fixed = (max(0.0, rate - float(reach)), min(1.0, rate + float(reach)))
    return Verdict(len(x), rate, low, high, fixed, decision)


def sequence(x: np.ndarray, *, alpha: float) -> tuple[float, float]:
    """Ends of the confidence sequence of the mean, after all of `x`: the running intersection.

    A hair wider than the grid of means it is computed on. A mean that was once not believed
    stays so: each gambler's greatest wealth counts.
    """
    up = np.max(_wealth(x, _MEANS), axis=0, initial=0.0)
    down = np.max(_wealth(1 - x, 1 - _MEANS), axis=0, initial=0.0)
    believed = _MEANS[np.maximum(up, down) < 2 / alpha]  # Half of alpha to each side.
    if not len(believed):
        return float(x.mean()), float(x.mean())
    step = float(_MEANS[1])
    return max(0.0, float(believed[0]) - step), min(1.0, float(believed[-1]) + step)


def _wealth(x: np.ndarray, means: np.ndarray) -> np.ndarray:
    """`[N, M]`: what gamblers have who bet that the mean is above each of `means`."""
    bets = _BETS[:, None] / np.maximum(means, 1e-9)  # 1 + bet (x - m) > 0 for x >= 0.
    logs = np.zeros((len(_BETS), len(means)))
    rows = []
    for value in x:
        logs += np.log1p(np.maximum(bets * (value - means), -0.999_999))
        rows.append(np.mean(np.exp(np.minimum(logs, 500.0)), axis=0))
    return np.array(rows).reshape(len(x), len(means))
