"""What several processes say to each other; with one process, nothing."""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
from collections.abc import Callable

import flax.serialization
import jax
import numpy as np
from jax.experimental import multihost_utils

from jaxlic.core import Params
from jaxlic.errors import Error
from train.experiment import ConfigError


def agreed(decision: bool) -> bool:
    """The first process's decision, on all of them."""
    if jax.process_count() == 1:
        return decision
    return bool(multihost_utils.broadcast_one_to_all(np.array(decision)))


def everywhere(holds: bool) -> bool:
    """Whether something holds for all processes; all of them must ask."""
    if jax.process_count() == 1:
        return holds
    return bool(multihost_utils.process_allgather(np.array(holds)).all())


def alike(what: bytes) -> bool:
    """Whether all processes hold the same; all of them must ask."""
    if jax.process_count() == 1:
        return True
    own = np.frombuffer(hashlib.sha256(what).digest(), np.uint8)
    return bool((multihost_utils.process_allgather(own) == own).all())


def from_first(read: Callable[[], Params]) -> Params:
    """What `read` gives on the first process, which alone calls it, on all of them.

    Raises:
        jaxlic.errors.Error: there, what `read` raises.
        ConfigError: on the others, if it does.
    """
    if jax.process_count() == 1:
        return read()
    data, failed = b"", None
    if jax.process_index() == 0:
        try:
            held = jax.tree.map(np.asarray, read())
            data = flax.serialization.msgpack_serialize(held)
        except Error as error:
            failed = error
    size = int(multihost_utils.broadcast_one_to_all(np.array(len(data))))
    if failed is not None:
        raise failed
    if not size:
        raise ConfigError("the first process cannot read the weights to start from")
    sent = np.frombuffer(data or bytes(size), np.uint8)
    sent = np.asarray(multihost_utils.broadcast_one_to_all(sent))
    return flax.serialization.msgpack_restore(sent.tobytes())


def stop_on_signal() -> Callable[[int], bool]:
    """Makes SIGTERM and SIGINT end the loop: says, asked after each step, whether to stop.

    With several processes JAX's preemption service listens, on every host: a signal to any of
    them stops all, at the same step, a few steps later.
    """
    if jax.process_count() > 1:
        # The service has its handler of SIGTERM, which must stay.
        signal.signal(signal.SIGINT, lambda *_: signal.raise_signal(signal.SIGTERM))
        return multihost_utils.reached_preemption_sync_point
    seen: list[int] = []

    def stop(received: int, frame: object) -> None:
        if not seen:
            with contextlib.suppress(OSError):
                os.write(2, b"\nstopping after the step under way; it will be saved\n")
        seen.append(received)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    return lambda step: bool(seen)
