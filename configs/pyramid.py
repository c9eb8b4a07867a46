r"""The codec `pyramid`: lapped transforms and, beside them, a nonlinear pyramid.

python -m train.extend dkic start
python -m train configs/pyramid.py --workdir runs/pyramid --data FOLDER --set init_from=start
python -m train.export runs/pyramid jaxlic/weights/pyramid --number 4 --calibrate FOLDER

Or from its first 3,600 steps: --set init_from=train/starts/pyramid. From scratch: leave out the
first line and `--set`.
"""

import functools
from collections.abc import Hashable

import jax
import optax
from optax.contrib import MuonDimensionNumbers, muon

from jaxlic.codecs.hyperprior import lmbda
from jaxlic.codecs.pyramid import LAMBDAS
from jaxlic.losses.rate_distortion import rate_distortion
from jaxlic.models import Spec
from train.experiment import Experiment


def experiment(
    *,
    analysis: bool = True,
    synthesis: bool = True,
    pyramid: str = "muon",
    steps: int = 60_000,
    batch: int = 8,
    crop: int = 192,
    learning_rate: float = 2e-4,
    gain_rate: float = 1e-3,
    context_rate: float = 5e-4,
    linear_rate: float = 1e-5,
    pyramid_rate: float = 2e-3,
    warmup: int = 50,
    decay: float = 0.5,
    balance: float = 0.3,
    mean_floor: float = 0.015,
    error_price: float = 10.0,
    ema: float = 0.999,
    init_from: str | None = None,
    eval_every: int = 1000,
    log_every: int = 50,
    seed: int = 0,
) -> Experiment:
    """Rates are constant, then fall linearly to zero over the last `decay` of the steps.

    `pyramid_rate` is for the pyramids and the restoration, with `pyramid`: `muon` or `adam`;
    `context_rate` for the context, with Muon; the others with Adam: `gain_rate` for the
    quantisation steps, `linear_rate` for the prediction of the lowest frequencies, whose
    inputs are in the thousands, `learning_rate` for the rest. Without `analysis` or
    `synthesis` that transform has no pyramid.
    """
    widths = {} if analysis else {"analysis_widths": []}
    if not synthesis:
        widths["synthesis_widths"] = [0, 64, 0]
    spec = Spec("pyramid.lapped", dict(error_price=error_price, **widths))
    rates = dict(
        base=learning_rate,
        gains=gain_rate,
        context=context_rate,
        linear=linear_rate,
        pyramid=pyramid_rate,
    )
    with_muon = {"context", pyramid} if pyramid != "muon" else {"context", "pyramid"}
    optimizers: dict[Hashable, optax.GradientTransformation] = {}
    for part, rate in rates.items():
        schedule = _schedule(rate, warmup, int(decay * steps), steps)
        optimizers[part] = (_muon if part in with_muon else optax.adam)(schedule)
    return Experiment(
        name="pyramid",
        spec=spec,
        loss=rate_distortion(
            functools.partial(lmbda, between=LAMBDAS), balance=balance, mean_floor=mean_floor
        ),
        optimizer=optax.chain(
            optax.clip_by_global_norm(1.0), optax.partition(optimizers, _parts)
        ),
        crop=crop,
        batch=batch,
        steps=steps,
        seed=seed,
        ema_decay=ema,
        eval_every=eval_every,
        log_every=log_every,
        eval_qualities=(10.0, 25.0, 40.0, 55.0, 70.0, 100.0),
        init_from=init_from,
    )


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


_PYRAMID = ("descent", "coefficients", "eighth_", "add", "error", "restoration")


def _parts(params):
    """Which optimizer trains what."""

    def part(path, _):
        name = jax.tree_util.keystr(path, simple=True, separator="/")
        if name.startswith("params/context/"):
            return "linear" if "/linear/" in name else "context"
        if name.startswith(("params/gain/", "params/inverse_gain/")):
            return "gains"
        place = name.split("/")
        pyramid = place[1].endswith("_transform") and place[2].startswith(_PYRAMID)
        return "pyramid" if pyramid else "base"

    return jax.tree_util.tree_map_with_path(part, params)
