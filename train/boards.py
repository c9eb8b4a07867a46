"""Where numbers and pictures of a run can be watched: TensorBoard, Weights & Biases."""

from __future__ import annotations

import contextlib
import hashlib
import pathlib
from collections.abc import Generator, Mapping
from typing import Protocol

import numpy as np

from train.experiment import ConfigError, Experiment


class Board(Protocol):
    def __call__(
        self,
        kind: str,
        step: int,
        numbers: Mapping[str, float],
        pictures: Mapping[str, np.ndarray],
    ) -> None:
        """Shows numbers, and pictures, uint8 `[H, W, 3]`, as `kind/name` at a step."""
        ...


@contextlib.contextmanager
def opened(
    workdir: pathlib.Path, e: Experiment, tensorboard: bool, project: str | None
) -> Generator[list[Board]]:
    """The boards that were asked for; `project` is one of Weights & Biases.

    Raises:
        ConfigError: if a package is missing.
    """
    with contextlib.ExitStack() as stack:
        boards: list[Board] = []
        if tensorboard:
            boards.append(stack.enter_context(_tensorboard(workdir)))
        if project is not None:
            boards.append(stack.enter_context(_wandb(workdir, e, project)))
        yield boards


@contextlib.contextmanager
def _tensorboard(workdir: pathlib.Path) -> Generator[Board]:
    try:
        from tensorboardX import SummaryWriter
    except ImportError as error:
        raise ConfigError("--tensorboard needs: pip install 'jaxlic[tensorboard]'") from error

    def show(kind, step, numbers, pictures):
        for name, value in numbers.items():
            writer.add_scalar(f"{kind}/{name}", value, step)
        for name, picture in pictures.items():
            writer.add_image(f"{kind}/{name}", picture, step, dataformats="HWC")
        writer.flush()

    with SummaryWriter(str(workdir / "tensorboard")) as writer:
        yield show


@contextlib.contextmanager
def _wandb(workdir: pathlib.Path, e: Experiment, project: str) -> Generator[Board]:
    try:
        import wandb
    except ImportError as error:
        raise ConfigError("--wandb needs: pip install 'jaxlic[wandb]'") from error

    def show(kind, step, numbers, pictures):
        values = {f"{kind}/{name}": value for name, value in numbers.items()}
        shown = {f"{kind}/{name}": wandb.Image(p) for name, p in pictures.items()}
        run.log({**values, **shown, "step": step})

    place = workdir.absolute()
    # The id is the workdir's, so that a resumed run goes on where it was.
    number = hashlib.sha256(str(place).encode()).hexdigest()[:16]
    try:
        run = wandb.init(project=project, name=e.name, id=number, resume="allow", dir=place)
    except wandb.Error as error:
        raise ConfigError(f"--wandb {project}: {error}") from error
    run.define_metric("*", step_metric="step")
    with run:
        yield show
