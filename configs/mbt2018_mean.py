"""Mean-scale hyperprior at paper size, for accelerators. Minnen et al. 2018, arXiv:1809.02736.

    python -m train configs/mbt2018_mean.py --workdir runs/mbt --data FOLDER
    python -m train configs/mbt2018_mean.py --workdir runs/mbt --data FOLDER \
        --set features=192 latents=320 dtype=bfloat16 accumulate=2

N=128, M=192 for low rates, 192 and 320 for high ones. Differs from the paper: one model for
all rates, an integer hyper-synthesis, and fewer steps than its millions unless you set them.
Not trained by us: no figures are claimed for it.
"""

import optax

from jaxlic.codecs.hyperprior import lmbda
from jaxlic.losses.rate_distortion import rate_distortion
from jaxlic.models import Spec
from train.experiment import Experiment


def experiment(
    *,
    features: int = 128,
    latents: int = 192,
    steps: int = 1_000_000,
    batch: int = 16,
    crop: int = 256,
    learning_rate: float = 1e-4,
    accumulate: int = 1,
    dtype: str = "float32",
    remat: bool = False,
    seed: int = 0,
) -> Experiment:
    """Adam at 1e-4, a tenth of it over the last fifth."""
    spec = Spec("hyperprior.convolutional", dict(features=features, latents=latents))
    schedule = optax.piecewise_constant_schedule(learning_rate, {int(0.8 * steps): 0.1})
    return Experiment(
        name="mbt2018-mean",
        spec=spec,
        loss=rate_distortion(lmbda),
        optimizer=optax.chain(optax.clip_by_global_norm(1.0), optax.adam(schedule)),
        crop=crop,
        batch=batch,
        steps=steps,
        seed=seed,
        accumulate=accumulate,
        dtype=dtype,
        remat=remat,
    )
