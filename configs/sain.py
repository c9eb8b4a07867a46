"""The shipped rescalers `sain-x2` and `sain-x4`: JPEG or WebP at any quality from 30 to 95.

python -m train configs/sain.py --workdir runs/sain-x2 --data FOLDER --set scale=2
python -m train.export runs/sain-x2 jaxlic/weights/sain-x2 --force

At x4: --set scale=4 fit=80 batch=8 steps=2000. Then on from there, with a price on bits:
--set init_from=MODEL rate=0.06 fit=30 warmup=20 decay=0.9 (x4: scale=4 batch=8 fit=100).

What they are compared with, the same steps on the same crops: the symmetric network and
bicubic thumbnails with a restoration network.

python -m train configs/sain.py --workdir runs/irn-x2 --data FOLDER --set variant=irn
python -m train configs/sain.py --workdir runs/cnn-x2 --data FOLDER --set variant=cnn
"""

from typing import Any

import jax
import optax
from optax.contrib import MuonDimensionNumbers, muon

from jaxlic.losses import rescaling
from jaxlic.models import Spec
from jaxlic.rescaling.channel import channel
from train.experiment import Experiment

LAYOUTS = {
    ("sain", 2): ("haar", "V1", "E1", "V2"),
    ("irn", 2): ("haar", "V4"),
    ("sain", 4): ("haar", "haar", "V1", "E1", "V2"),
    ("irn", 4): ("haar", "haar", "V4"),
}


def experiment(
    *,
    variant: str = "sain",
    scale: int = 2,
    width: int = 64,
    blocks: int = 1,
    fold: int = 2,
    cnn_blocks: int = 8,
    steps: int = 6000,
    batch: int = 4,
    crop: int = 128,
    optimizer: str = "muon",
    learning_rate: float = 2e-3,
    warmup: int = 100,
    decay: float = 0.7,
    clip: float = 10.0,
    fit: float = 20.0,
    rate: float = 0.0,
    components: int = 5,
    spread: float = 0.0,
    likelihood: float = 0.0,
    rounding: str = "ste",
    formats: str = "jpeg,webp",
    real: bool = True,
    lowest: float = 30.0,
    highest: float = 95.0,
    init_from: str | None = None,
    log_every: int = 50,
    eval_every: int = 1000,
    seed: int = 0,
) -> Experiment:
    """Muon; with `optimizer=adam` coupled weight decay and clipping as published. Short.

    `components`, `spread` and `likelihood` are of the latent's mixture: how many Gaussians, how
    far apart their means start, and the weight of its likelihood.
    """
    if variant == "cnn":
        spec = Spec(
            "rescaler.bicubic", dict(scale=scale, width=width, blocks=cnn_blocks, fold=fold)
        )
        loss = rescaling.reconstruction
    else:
        layout = list(LAYOUTS[variant, scale])
        settings: dict[str, Any] = dict(layout=layout, width=width, blocks=blocks, fold=fold)
        if (components, spread) != (5, 0.0):
            settings |= dict(components=components, spread=spread)
        spec = Spec("rescaler.folded", settings)
        if variant == "sain":
            loss = rescaling.sain(scale, fit=fit, rate=rate, likelihood=likelihood)
        else:
            loss = rescaling.irn(scale, fit=fit, rate=rate)
    falling = int(decay * steps)
    schedule = optax.join_schedules(
        [
            optax.linear_schedule(0.0, learning_rate, warmup),
            optax.constant_schedule(learning_rate),
            optax.cosine_decay_schedule(learning_rate, falling, 0.01),
        ],
        [warmup, steps - falling],
    )
    through = channel(formats=tuple(formats.split(",")), rounding=rounding, real=real)
    return Experiment(
        name=f"{variant}-x{scale}",
        spec=spec,
        assembly=dict(through=through),
        loss=loss,
        optimizer=_muon(schedule) if optimizer == "muon" else _adam(schedule, clip),
        crop=crop,
        batch=batch,
        steps=steps,
        seed=seed,
        qualities=(lowest, highest),
        eval_qualities=(30.0, 50.0, 70.0, 90.0),
        log_every=log_every,
        eval_every=eval_every,
        init_from=init_from,
    )


def _adam(schedule, clip):
    return optax.chain(
        optax.clip_by_global_norm(clip),
        optax.add_decayed_weights(1e-5),
        optax.scale_by_adam(),
        optax.scale_by_learning_rate(schedule),
    )


def _muon(schedule):
    """Muon for convolution kernels (the last four axes, each a matrix), Adam for the rest."""

    def matrices(params):
        def axes(a):
            if a.ndim < 4:
                return None
            return MuonDimensionNumbers(tuple(range(a.ndim - 4, a.ndim - 1)), a.ndim - 1)

        return jax.tree.map(axes, params)

    return optax.chain(
        optax.clip_by_global_norm(1.0),
        muon(schedule, consistent_rms=0.2, muon_weight_dimension_numbers=matrices),
    )
