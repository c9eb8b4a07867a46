"""Optimisers part by part, for the codecs with lapped transforms and a pyramid.

Parts: `pyramid`, the nonlinear ones of analysis and synthesis with the restoration; `context`,
what refines the entropy model, in integers; `linear`, the prediction of the lowest frequencies,
whose inputs are in the thousands; `gains`, the quantisation steps; `base`, the rest.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Hashable, Mapping
from typing import Any

import jax
import optax
from optax.contrib import MuonDimensionNumbers, muon

# All but the synthesis (and, of `sic`, fine planes): what a file is made with.
ENCODER = r"params/(analysis_transform|gain|hyper_analysis|hyper_synthesis|prior|context)/"
_PYRAMID = ("descent", "coefficients", "eighth_", "add", "error", "restoration")


def by_part(
    rates: Mapping[str, float],
    *,
    with_muon: Collection[str],
    warmup: int,
    falling: int,
    steps: int,
    clip: float = 1.0,
    fixed: str | None = None,
) -> optax.GradientTransformation:
    """Adam, or Muon for kernels, at a rate of each part, after the gradient's norm is clipped.

    Args:
        rates: by part.
        with_muon: the parts that have Muon.
        warmup, falling: for so many steps rates rise at first, and fall to zero at the end.
        steps: in all.
        clip: largest norm of the whole gradient.
        fixed: a regular expression; parameters whose name it matches from the start keep their
            values to the bit, and their gradient is neither computed nor counted by `clip`.
    """
    optimizers: dict[Hashable, optax.GradientTransformation] = {}
    for part, rate in rates.items():
        schedule = _schedule(rate, warmup, falling, steps)
        optimizers[part] = (_muon if part in with_muon else optax.adam)(schedule)
    whole = optax.chain(optax.clip_by_global_norm(clip), optax.partition(optimizers, parts))
    if fixed is None:
        return whole
    return optax.partition(
        {"trained": whole, "fixed": optax.set_to_zero()},
        lambda params: _by_name(
            params, lambda name: "fixed" if re.match(fixed, name) else "trained"
        ),
    )


def parts(params: Any) -> Any:
    """A tree of the names of parts."""

    def part(name):
        if name.startswith(("params/context/", "params/refinement_")):
            return "linear" if "/linear/" in name else "context"
        if name.startswith(("params/gain/", "params/inverse_gain/")):
            return "gains"
        place = name.split("/")
        pyramid = place[1].endswith("_transform") and place[2].startswith(_PYRAMID)
        return "pyramid" if pyramid else "base"

    return _by_name(params, part)


def _by_name(params, label):
    def named(path, _):
        return label(jax.tree_util.keystr(path, simple=True, separator="/"))

    return jax.tree_util.tree_map_with_path(named, params)


def _schedule(rate, warmup, falling, steps):
    return optax.join_schedules(
        [
            optax.linear_schedule(0.0, rate, warmup),
            optax.constant_schedule(rate),
            optax.linear_schedule(rate, 0.0, falling),
        ],
        [warmup, steps - falling],
    )


def _muon(schedule):
    """Muon for kernels (the last axis against the rest), Adam for biases and gains."""

    def matrices(params):
        def axes(a):
            return MuonDimensionNumbers((0, 1, 2), 3) if a.ndim == 4 else None

        return jax.tree.map(axes, params)

    return muon(schedule, consistent_rms=0.2, muon_weight_dimension_numbers=matrices)
