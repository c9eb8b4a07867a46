"""What a config returns, and how one is read from a file."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import pathlib
import runpy
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import optax
from flax import linen as nn

from jaxlic.core import (
    MAX_QUALITY,
    MIN_QUALITY,
    Builder,
    Codec,
    Loss,
    Params,
    Reconstruction,
    Rescaler,
)
from jaxlic.errors import Error, one_line
from jaxlic.files import schema
from jaxlic.models import Spec, assemble, builder_of, load_model
from train.adversary import with_critic
from train.distil import student


@dataclasses.dataclass(frozen=True, kw_only=True)
class Experiment:
    """A training run, fully described. Building one touches no disk and no device.

    Attributes:
        name: the id that exported weights will carry.
        spec: the architecture, as it will be written beside exported weights.
        builders: architectures of the config's own that the spec may name.
        assembly: what the spec's builder is told in training alone, such as `quantise` of a
            codec, or the channel `through` which a rescaler's thumbnails go.
        teacher: id or path of a model that codes the latents in training; only the synthesis is
            the student's (`train/distil.py`). With `few` in `assembly` it is a refiner, which
            the student is to follow in half the steps.
        critic: the codec, one in levels, is trained against it (`train/adversary.py`).
        only: trains the parameters that have one of these in their path, such as
            "params/context/refine_0/conv/bias"; none for all.
        loss: a term, as in `jaxlic.losses`.
        optimizer: any optax transformation.
        crop, batch: edge of the square training crops in pixels, and how many a step.
        steps: optimiser steps in all.
        seed: decides initialisation, noise, crops and their order.
        ema_decay: of the averaged parameters, which are the ones exported.
        log_every: steps between lines of metrics.
        save_minutes: minutes between checkpoints.
        eval_every: steps between evaluations on the held-out images; 0 for none.
        qualities: the range that is drawn from in training.
        held_out: how many images of the folder (the last by hashed name) are never
            trained on.
        eval_qualities: where the held-out images are evaluated.
        maps: by name what the loss needs beside the image, computed from it: functions of
            `[B, H, W, 3]` in [0, 1] to `[B, H, W, ...]`. They see `margin` pixels more than
            the crop on every side, so that the maps are those of the whole image.
        margin: see `maps`.
        init_from: id of shipped weights or path of exported ones to start from; what the
            architecture has beyond theirs starts fresh.
        dtype: what the transforms' convolutions compute in, "float32" or "bfloat16"
            (`jaxlic/nn/precision.py`). Parameters, entropy models and losses are float32.
        remat: computes the transforms anew for their gradients instead of keeping what is
            inside them: a third more operations, less memory.
        accumulate: parts of a batch that are computed one after the other, their gradients
            averaged: as many times less memory. The noise is other than in one part.
        max_skipped: how many steps one after the other may have a loss, gradient or update
            that is not finite; they are skipped. After one more the run ends.
    """

    name: str
    spec: Spec
    loss: Loss
    optimizer: optax.GradientTransformation
    crop: int
    batch: int
    steps: int
    seed: int = 0
    ema_decay: float = 0.999
    log_every: int = 50
    save_minutes: float = 5.0
    eval_every: int = 1000
    qualities: tuple[float, float] = (MIN_QUALITY, MAX_QUALITY)
    held_out: int = 16
    eval_qualities: Sequence[float] = (20.0, 50.0, 80.0)
    maps: Mapping[str, Callable[[jax.Array], jax.Array]] = dataclasses.field(
        default_factory=dict
    )
    margin: int = 0
    init_from: str | None = None
    dtype: str = "float32"
    remat: bool = False
    accumulate: int = 1
    max_skipped: int = 3
    builders: tuple[Builder, ...] = ()
    assembly: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    only: tuple[str, ...] = ()
    teacher: str | None = None
    critic: nn.Module | None = None

    @functools.cached_property
    def codec(self) -> Codec | Rescaler:
        """What is trained. Reads the weights of a teacher, if there is one."""
        if self.teacher is not None:
            with jax.ensure_compile_time_eval():  # Whoever asks first may be tracing a step.
                teacher = load_model(self.teacher, builders=self.builders)
            if "few" in self.assembly:
                own = {**self.assembly, "teacher": teacher.params}
                return training_only(assemble(self.spec, self.builders, **own), self.only)
            return student(self.spec, teacher)
        memory: dict[str, Any] = {}  # Some architectures can do neither.
        if self.dtype != "float32":
            memory["dtype"] = self.dtype
        if self.remat:
            memory["remat"] = True
        codec = assemble(self.spec, self.builders, **self.assembly, **memory)
        if self.critic is not None:
            assert isinstance(codec, Codec), "a rescaler has no critic"
            codec = with_critic(codec, self.critic)
        return training_only(codec, self.only)

    @functools.cached_property
    def float32_codec(self) -> Codec | Rescaler:
        """As `codec`, in float32 throughout, as files are: for evaluation."""
        if self.dtype == "float32":
            return self.codec
        return dataclasses.replace(self, dtype="float32", remat=False).codec


def training_only(codec: Codec | Rescaler, parts: Sequence[str]) -> Codec | Rescaler:
    """The codec, gradients reaching only parameters that have one of `parts` in their path."""

    def forward(
        params: Params, image: jax.Array, quality: jax.Array, key: jax.Array
    ) -> Reconstruction:
        def chosen(path, a):
            name = jax.tree_util.keystr(path, simple=True, separator="/")
            return a if any(part in name for part in parts) else jax.lax.stop_gradient(a)

        params = jax.tree_util.tree_map_with_path(chosen, params)
        return codec.forward(params, image, quality, key)

    return codec._replace(forward=forward) if parts else codec


class ConfigError(Error):
    """A config that cannot be used; the message says why in one line."""


def load_experiment(path: str | pathlib.Path, overrides: dict[str, Any]) -> Experiment:
    """Runs the config at `path` and calls its `experiment` with `overrides`.

    Note that a config is Python and is executed: load only those you trust.

    Raises:
        ConfigError: if there is no such file, it defines no `experiment`, or a name or a
            value among the overrides does not fit the function's signature.
    """
    path = pathlib.Path(path)
    if not path.is_file():
        raise ConfigError(f"{path}: no such config")
    try:
        function = runpy.run_path(str(path)).get("experiment")
    except (SyntaxError, ValueError) as error:
        raise ConfigError(f"{path}: {one_line(error)}") from error
    except Exception as error:  # It is the user's program: anything may go wrong.
        raise ConfigError(f"{path}: {type(error).__name__}: {one_line(error)}") from error
    if not callable(function):
        raise ConfigError(f"{path}: defines no function called experiment")
    known = inspect.signature(function).parameters
    hints = {name: _kind(of.default) for name, of in known.items()}
    hints |= typing.get_type_hints(function)
    kwargs = {}
    for name, value in overrides.items():
        if name not in known:
            raise ConfigError(
                f"{path}: has no setting {name!r}; it has {', '.join(sorted(known))}"
            )
        kwargs[name] = _convert(name, value, hints[name])
    try:
        e = function(**kwargs)
    except Error as error:
        raise ConfigError(f"{path}: {one_line(error)}") from error
    except Exception as error:
        told = one_line(error) if isinstance(error, ValueError) else f"{error!r}"
        raise ConfigError(f"{path}: {told}") from error
    if not isinstance(e, Experiment):
        raise ConfigError(f"{path}: experiment() returns no Experiment")
    _check(e)
    return e


def _check(e: Experiment) -> None:
    """Raises ConfigError if a number is out of range, or what is trained could not be saved."""
    for name in ("batch", "crop", "accumulate", "steps", "log_every"):
        if getattr(e, name) < 1:
            raise ConfigError(f"{name} must be 1 or more, got {getattr(e, name)}")
    for name in ("eval_every", "save_minutes"):
        if not getattr(e, name) >= 0:
            raise ConfigError(f"{name} must be 0 or more, got {getattr(e, name)}")
    if not 0 <= e.seed < 2**32:
        raise ConfigError(f"seed must be 0 or more and below 2**32, got {e.seed}")
    try:
        limits = dict(builder_of(e.spec, e.builders).limits)
        schema.check_settings(e.spec.settings, limits)
    except ValueError as error:
        raise ConfigError(one_line(error)) from error


def parse_overrides(settings: Sequence[str]) -> dict[str, str]:
    """`["steps=10", "seed=3"]` to a dictionary of strings; of one name the last counts.

    Raises:
        ConfigError: if an element is not of the form name=value.
    """
    found: dict[str, str] = {}
    for name, equals, value in (setting.partition("=") for setting in settings):
        if not equals or not name:
            raise ConfigError(f"--set takes name=value, got {name!r}")
        found[name] = value
    return found


def _kind(default: Any) -> Any:
    """What a setting without an annotation is."""
    return inspect.Parameter.empty if default is inspect.Parameter.empty else type(default)


def _convert(name: str, value: Any, hint: Any) -> Any:
    if not isinstance(value, str):
        return value
    union = typing.get_origin(hint) in (types.UnionType, typing.Union)
    choices = typing.get_args(hint) if union else (hint,)
    if types.NoneType in choices and value.lower() == "none":
        return None
    kind = next((choice for choice in choices if choice is not types.NoneType), str)
    if typing.get_origin(kind) is typing.Literal:
        words = {str(word): word for word in typing.get_args(kind)}
        if value not in words:
            raise ConfigError(f"{name} must be one of {', '.join(words)}, got {value!r}")
        return words[value]
    if not isinstance(kind, type) or kind is inspect.Parameter.empty:
        return value
    if kind is bool:
        if value.lower() not in ("true", "false"):
            raise ConfigError(f"{name} must be true or false, got {value!r}")
        return value.lower() == "true"
    try:
        return kind(value)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{name} must be {kind.__name__}, got {value!r}") from error
