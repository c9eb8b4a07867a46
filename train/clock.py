"""Training by the clock: a config's schedules over so many minutes, not so many steps.

For machines that are lent for a time, on which nobody knows yet what a step takes. The count
that schedules of optax go by is set before each step, to the share of the time that has
passed times the config's steps: the same program, whatever the pace turns out to be. How many
steps there are depends on that pace, so a run by the clock cannot be repeated to the bit.
"""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Generator
from typing import Any

import jax
import numpy as np
import optax

from train.experiment import ConfigError, Experiment
from train.step import TrainState, init_state

# Of optax: what counts steps in a way of its own, and would be left on steps, or moved twice.
_OTHERS = (
    "InjectHyperparamsState",
    "InjectStatefulHyperparamsState",
    "MultiStepsState",
    "WeightDecaySchedule",
)


class Clock:
    """When a run ends, and where its schedules are: by steps, or by minutes if there are any.

    The time starts at the first `wind`, where the schedules of the state are then.
    """

    def __init__(self, e: Experiment, minutes: float | None):
        """For a run of `e`."""
        self._steps = e.steps
        self._seconds = None if minutes is None else 60 * minutes
        self._began: float | None = None

    def wind(self, state: TrainState) -> TrainState:
        """`state`, its schedules where they should be by now."""
        if self._seconds is None:
            return state
        if self._began is None:
            self._began = time.monotonic() - self._seconds * share(state, self._steps)
        count = int(self._passed() * self._steps)
        return dataclasses.replace(state, opt_state=_at(state.opt_state, count))

    @contextlib.contextmanager
    def stopped(self) -> Generator[None]:
        """What is done within does not count."""
        before = time.monotonic()
        yield
        if self._began is not None:
            self._began += time.monotonic() - before

    def told(self) -> dict[str, float]:
        """What to log: the share that has passed, if the clock decides."""
        return {} if self._seconds is None else {"share": self._passed()}

    def over(self, state: TrainState, step: int) -> bool:
        """Whether nothing is left to do after `step` steps."""
        if self._seconds is None:
            return step >= self._steps
        passed = share(state, self._steps) if self._began is None else self._passed()
        return passed >= 1

    def _passed(self):
        if self._began is None or self._seconds is None:
            return 0.0
        return min(1.0, (time.monotonic() - self._began) / self._seconds)


def check(e: Experiment) -> None:
    """Raises ConfigError if a run of `e` cannot go by the clock."""
    if jax.process_count() > 1:
        raise ConfigError("--minutes is for one process: hosts have a clock each")
    if e.steps < 1:
        raise ConfigError(f"steps must be 1 or more, got {e.steps}")
    state = jax.eval_shape(lambda: init_state(e)).opt_state

    def named(node):
        return type(node).__name__ in _OTHERS

    others = sorted(
        {type(node).__name__ for node in jax.tree.leaves(state, is_leaf=named) if named(node)}
    )
    if others:
        text = f"the optimiser's {others[0]} counts steps in a way of its own"
        raise ConfigError(f"--minutes moves schedules of rates alone, and {text}")
    if not _schedules(state):
        raise ConfigError(
            "--minutes is for rates that follow a schedule, and these do not; "
            "--max-minutes ends any run"
        )


def finished(e: Experiment, minutes: float | None, state: TrainState) -> bool:
    """Whether a run that left this state has nothing left to do."""
    return int(state.step) >= e.steps if minutes is None else share(state, e.steps) >= 1


def share(state: TrainState, steps: int) -> float:
    """How far the schedules of `state` are, 1 at the end of `steps`; 0 if there is none."""
    return max((int(node.count) for node in _schedules(state.opt_state)), default=0) / steps


def _at(opt_state: Any, count: int) -> Any:
    """An optimiser's state, `count` steps into its schedules."""

    def put(node):
        if not _scheduled(node):
            return node
        value = np.asarray(count, node.count.dtype)
        return node._replace(count=jax.device_put(value, node.count.sharding))

    return jax.tree.map(put, opt_state, is_leaf=_scheduled)


def _schedules(opt_state):
    return [n for n in jax.tree.leaves(opt_state, is_leaf=_scheduled) if _scheduled(n)]


def _scheduled(node):
    return isinstance(node, optax.ScaleByScheduleState)
