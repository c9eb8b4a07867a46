r"""The dynamic-kernel codec `dkic`: `base` with dynamic groups, a context, a restoration.

python -m train configs/dkic.py --workdir runs/context --data FOLDER \
    --set only=params/context steps=1500 context_rate=2e-3 warmup=20
python -m train.export runs/context context
python -m train configs/dkic.py --workdir runs/restored --data FOLDER \
    --set init_from=context only=restoration steps=1200 warmup=20
python -m train.export runs/restored restored
python -m train configs/dkic.py --workdir runs/dkic --data FOLDER --set init_from=restored
python -m train.export runs/dkic jaxlic/weights/dkic --number 2 --calibrate FOLDER --force

What it has in common with `base` starts from the weights of `base`, the rest as the identity:
the first step already has the fidelity of `base`. The context alone comes first, then the
restoration, for they learn fast and cheaply. In one stage: leave out all but the last two lines
and `--set`. From scratch: --set init_from=none.

Ablations, the same steps on the same crops:

--set kernel=plain kernel_hidden=64 kernel_hidden_16=96      as many parameters, as many MACs
--set kernel=depthwise                                       neither offsets nor modulation
--set kernel=modulation-only                                 offsets frozen at zero
--set kernel=offsets-only                                    all taps alike
--set passes=2,2,2,2,2                              symmetric; 1,1,1,1,1: none
--set hyper_kernel=false                                     a plain hyper-analysis
--set restoration=0                                          none; restoration_kernel=dynamic
--set error_price=0                                          always the nearest integer

The large one, for accelerators: configs/dkic_large.py.
"""

from collections.abc import Hashable

import jax
import optax
from optax.contrib import MuonDimensionNumbers, muon

from jaxlic.codecs.hyperprior import lmbda
from jaxlic.losses.rate_distortion import rate_distortion
from jaxlic.models import Spec
from train.experiment import Experiment


def experiment(
    *,
    kernel: str = "dynamic",
    kernel_hidden: int = 128,
    kernel_hidden_16: int = 192,
    kernel_blocks: int = 2,
    kernel_blocks_16: int = 1,
    radius: int = 2,
    hyper_kernel: bool = True,
    slices: str = "3,13,48,64,192",
    passes: str = "4,2,2,2,2",
    error_price: float = 10.0,
    restoration: int = 64,
    restoration_kernel: str = "plain",
    steps: int = 1600,
    batch: int = 8,
    crop: int = 192,
    learning_rate: float = 1e-4,
    gain_rate: float = 2e-3,
    group_rate: float = 4e-4,
    offset_rate: float = 1e-3,
    context_rate: float = 1e-3,
    linear_rate: float = 1e-5,
    restoration_rate: float = 2e-3,
    warmup: int = 50,
    decay: float = 0.8,
    balance: float = 0.3,
    mean_floor: float = 0.015,
    init_from: str | None = "base",
    only: str = "",
    eval_every: int = 1000,
    seed: int = 0,
) -> Experiment:
    """Rates are constant, then fall linearly to 1 % over the last `decay` of the steps.

    `learning_rate` is for what `base` has, `gain_rate` for the quantisation steps, `group_rate`
    for the groups, `offset_rate` for their offsets and modulation, `restoration_rate` for the
    restoration, `linear_rate` for the prediction of the lowest frequencies, whose inputs are in
    the thousands, all with Adam; `context_rate` for the rest of the context, with
    Muon, which is quicker there. (For groups Muon is bad: it treats all inputs
    alike, and the lowest frequencies are a hundred times the others.) `only` trains the
    parameters with that in their path, such as "params/context", and is much faster.
    """
    numbers = [int(n) for n in slices.split(",")]
    spec = Spec(
        "dkic.lapped",
        dict(
            kernel=kernel,
            kernel_hidden=[kernel_hidden, kernel_hidden_16],
            kernel_blocks=[kernel_blocks, kernel_blocks_16],
            radius=[radius, radius],
            hyper_kernel=hyper_kernel,
            slices=numbers,
            passes=[int(n) for n in passes.split(",") if n],
            error_price=error_price,
            restoration=restoration,
            restoration_kernel=restoration_kernel,
        ),
    )
    rates = dict(
        base=learning_rate,
        gains=gain_rate,
        groups=group_rate,
        offsets=offset_rate,
        context=context_rate,
        linear=linear_rate,
        restoration=restoration_rate,
    )
    optimizers: dict[Hashable, optax.GradientTransformation] = {}
    for part, rate in rates.items():
        schedule = _schedule(rate, warmup, int(decay * steps), steps)
        optimizers[part] = _muon(schedule) if part == "context" else optax.adam(schedule)
    return Experiment(
        name="dkic",
        spec=spec,
        only=(only,) if only else (),
        loss=rate_distortion(lmbda, balance=balance, mean_floor=mean_floor),
        optimizer=optax.chain(
            optax.clip_by_global_norm(1.0), optax.partition(optimizers, _parts)
        ),
        crop=crop,
        batch=batch,
        steps=steps,
        seed=seed,
        eval_every=eval_every,
        init_from=init_from,
    )


def _schedule(rate, warmup, falling, steps):
    return optax.join_schedules(
        [
            optax.linear_schedule(0.0, rate, warmup),
            optax.constant_schedule(rate),
            optax.linear_schedule(rate, 0.01 * rate, falling),
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


def _parts(params):
    """Which optimizer trains what."""

    def part(path, _):
        name = jax.tree_util.keystr(path, simple=True, separator="/")
        if "/offset/" in name or "/modulation/" in name:
            return "offsets"
        if name.startswith("params/context/"):
            return "linear" if "/linear/" in name else "context"
        if "/restoration/" in name:
            return "restoration"
        if name.startswith(("params/gain/", "params/inverse_gain/")):
            return "gains"
        return "groups" if "/group" in name else "base"

    return jax.tree_util.tree_map_with_path(part, params)
