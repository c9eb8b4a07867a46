"""Training by the clock: a config's schedules over so many minutes, not so many steps.

For machines that are lent for a time, on which nobody knows yet what a step takes. The count
that schedules of optax go by is set before each step, to the share of the time that has
passed times the config's steps: the same program, whatever the pace turns out to be. How many
steps there are depends on that pace, so a run by the clock cannot be repeated to the bit.
"""

from __future__ import annotations

import collections
import dataclasses
import time
from typing import Any

import jax
import numpy as np
import optax

from train.experiment import ConfigError, Experiment
from train.step import TrainState

_AHEAD = 4  # Steps that are asked for before they are done; more, and the end came too late.


class Clock:
    """When a run ends, and where its schedules are: by steps, or by minutes if there are any.

    The time starts at the first `wind`, where the schedules of the state are then.
    """

    def __init__(self, e: Experiment, minutes: float | None):
        """For a run of `e`. Raises ConfigError if several processes would have a clock each."""
        if minutes is not None and jax.process_count() > 1:
            raise ConfigError("--minutes is for one process: hosts have a clock each")
        self._steps = e.steps
        self._seconds = None if minutes is None else 60 * max(minutes, 1e-9)
        self._began: float | None = None
        self._asked: collections.deque[Any] = collections.deque()

    def wind(self, state: TrainState) -> TrainState:
        """`state`, its schedules where they should be by now."""
        if self._seconds is None:
            return state
        if self._began is None:
            self._began = time.monotonic() - self._seconds * share(state, self._steps)
        count = int(self._passed() * self._steps)
        return dataclasses.replace(state, opt_state=_at(state.opt_state, count))

    def told(self) -> dict[str, float]:
        """What to log: the share that has passed, if the clock decides."""
        return {} if self._seconds is None else {"share": self._passed()}

    def over(self, state: TrainState, step: int, metrics: Any = None) -> bool:
        """Whether nothing is left to do, `step` steps having been asked for.

        Raises:
            ConfigError: if there are minutes and no schedule that could be at its end by then.
        """
        if self._seconds is None:
            return step >= self._steps
        if self._began is None and not _counts(state):
            raise ConfigError(
                "--minutes is for rates that follow a schedule, and these do not; "
                "--max-minutes ends any run"
            )
        self._asked.append(metrics)
        if len(self._asked) > _AHEAD:
            jax.block_until_ready(self._asked.popleft())
        passed = share(state, self._steps) if self._began is None else self._passed()
        return passed >= 1

    def _passed(self):
        if self._began is None or self._seconds is None:
            return 0.0
        return min(1.0, (time.monotonic() - self._began) / self._seconds)


def finished(e: Experiment, minutes: float | None, state: TrainState) -> bool:
    """Whether a run that left this state has nothing left to do."""
    return int(state.step) >= e.steps if minutes is None else share(state, e.steps) >= 1


def share(state: TrainState, steps: int) -> float:
    """How far the schedules of `state` are, 1 at the end of `steps`; 0 if there is none."""
    return max(_counts(state), default=0) / steps


def _at(opt_state: Any, count: int) -> Any:
    """An optimiser's state, `count` steps into its schedules."""

    def put(node):
        if not _scheduled(node):
            return node
        value = np.asarray(count, node.count.dtype)
        return node._replace(count=jax.device_put(value, node.count.sharding))

    return jax.tree.map(put, opt_state, is_leaf=_scheduled)


def _counts(state):
    nodes = jax.tree.leaves(state.opt_state, is_leaf=_scheduled)
    return [int(node.count) for node in nodes if _scheduled(node)]


def _scheduled(node):
    return isinstance(node, optax.ScaleByScheduleState)
