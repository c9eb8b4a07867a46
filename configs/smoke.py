"""A tiny codec that trains in two minutes on a laptop: to see that everything works.

python -m train configs/smoke.py --workdir runs/smoke --data FOLDER
"""

import optax

from jaxlic.codecs.hyperprior import lmbda
from jaxlic.losses.rate_distortion import rate_distortion
from jaxlic.models import Spec
from train.experiment import Experiment


def experiment(
    *,
    steps: int = 1000,
    batch: int = 4,
    crop: int = 64,
    learning_rate: float = 1e-3,
    accumulate: int = 1,
    log_every: int = 50,
    eval_every: int = 500,
    save_minutes: float = 5.0,
    seed: int = 0,
) -> Experiment:
    """Adam at a constant rate."""
    spec = Spec("hyperprior.lapped", dict(features=16, latents=32, hidden=16, blocks=[1, 1]))
    return Experiment(
        name="smoke",
        spec=spec,
        loss=rate_distortion(lmbda),
        optimizer=optax.adam(learning_rate),
        crop=crop,
        batch=batch,
        steps=steps,
        accumulate=accumulate,
        log_every=log_every,
        eval_every=eval_every,
        save_minutes=save_minutes,
        seed=seed,
    )
