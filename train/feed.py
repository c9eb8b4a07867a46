"""Batches made ahead by threads or processes, never more of them than a number of bytes.

Neither changes a batch: batch k is what `train.crops.crops` says it is.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator, Sequence
from typing import Any

import grain
import numpy as np
from absl import flags

from jaxlic.errors import one_line

PREFETCH = 256  # MiB.
_MOST = 64  # Batches that are ever made ahead: more would only keep a busy machine busy.


def batches(
    data: grain.MapDataset[Any],
    first: int,
    *,
    names: Sequence[str],
    tell: Callable[[str], None],
    workers: int = 2,
    processes: int = 0,
    prefetch: int = PREFETCH,
) -> Generator[dict[str, np.ndarray]]:
    """Batch `first` of `data` and those after it.

    Args:
        data: from `train.crops.crops`.
        first: number of the first batch.
        names: of the images.
        tell: takes a line, once for each image that is found broken.
        workers: threads; of each process, if there are any.
        processes: that make the batches; 0 for threads of this one.
        prefetch: MiB that batches made ahead may take in all. One batch always is; with
            processes two each. What is decoded meanwhile, an image a thread, is not counted.

    Raises:
        jaxlic.errors.Error: from the iterator, as `crops` and the images say.
        ChildProcessError: if a process that makes batches has died.
    """
    example: dict[str, np.ndarray] = data[first]  # ty: ignore[invalid-assignment]
    ahead = _ahead(sum(array.nbytes for array in example.values()), prefetch)
    iterator = iter(_prepared(data[first:], ahead, workers, processes))
    told: set[int] = set()
    with contextlib.closing(iterator):
        for batch in _living(iterator):
            for i in sorted(set(batch.pop("broken").tolist()) - told):
                told.add(i)
                text = "is broken; the next image is used instead"
                tell(f"{names[i]}: {text} ({len(told)} by now)")
            yield batch


def _ahead(size: int, prefetch: int) -> int:
    """How many batches of `size` bytes are made ahead within `prefetch` MiB."""
    return max(1, min(_MOST, (prefetch << 20) // size))


def _prepared(data, ahead: int, workers: int, processes: int) -> grain.IterDataset:
    if not processes:
        return data.to_iter_dataset(grain.ReadOptions(workers, ahead))
    if not flags.FLAGS.is_parsed():  # Grain's processes ask for flags of absl's command line.
        flags.FLAGS.mark_as_parsed()
    # Each process holds some that its threads make, and as many that wait to be fetched.
    each = max(1, ahead // (2 * processes))
    made = data.to_iter_dataset(grain.ReadOptions(workers, each))
    options = grain.MultiprocessingOptions(num_workers=processes, per_worker_buffer_size=each)
    return made.mp_prefetch(options, worker_init_fn=_begin_process)


def _living(iterator):
    try:
        yield from iterator
    except RuntimeError as error:  # Grain's, of a process that was killed.
        if "process" not in str(error):
            raise
        raise ChildProcessError(one_line(error)) from error


def _begin_process(index: int, count: int) -> None:
    """In a process that makes batches: it ends when the run does, and not by a signal.

    Signals go to all processes of a terminal or a job; the run answers them, and saves first.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)

    def end() -> None:
        parent = multiprocessing.parent_process()
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=end, daemon=True).start()
