"""The shipped codec `base`: mean-scale hyperprior on cheap lapped transforms, all rates.

python -m train configs/base.py --workdir runs/base --data FOLDER
python -m train.export runs/base jaxlic/weights/base --number 1 --force
"""

import optax

from jaxlic.codecs.hyperprior import lmbda
from jaxlic.losses.rate_distortion import rate_distortion
from jaxlic.models import Spec
from train.experiment import Experiment


def experiment(
    *,
    features: int = 128,
    latents: int = 320,
    hidden: int = 192,
    steps: int = 14_000,
    batch: int = 8,
    crop: int = 192,
    learning_rate: float = 5e-4,
    warmup: int = 200,
    decay: float = 0.6,
    balance: float = 0.3,
    mean_floor: float = 0.015,
    error_price: float = 0.0,
    init_from: str | None = None,
    seed: int = 0,
) -> Experiment:
    """Adam; the rate is constant, then falls linearly to 1 % over the last `decay`."""
    sizes = dict(features=features, latents=latents, hidden=hidden)
    spec = Spec("hyperprior.lapped", dict(**sizes, error_price=error_price))
    falling = int(decay * steps)
    schedule = optax.join_schedules(
        [
            optax.linear_schedule(0.0, learning_rate, warmup),
            optax.constant_schedule(learning_rate),
            optax.linear_schedule(learning_rate, 0.01 * learning_rate, falling),
        ],
        [warmup, steps - falling],
    )
    return Experiment(
        name="base",
        spec=spec,
        loss=rate_distortion(lmbda, balance=balance, mean_floor=mean_floor),
        optimizer=optax.chain(optax.clip_by_global_norm(1.0), optax.adam(schedule)),
        crop=crop,
        batch=batch,
        steps=steps,
        seed=seed,
        init_from=init_from,
    )
