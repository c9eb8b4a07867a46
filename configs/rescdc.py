"""Codec and diffusion model trained together, at the published size, for accelerators.

    python -m train configs/rescdc.py --workdir runs/rescdc --data FOLDER
    python -m train configs/rescdc.py --workdir runs/cdc --data FOLDER --set direct=true

Brenig & Timofte 2024, arXiv:2505.13152, on the networks of CDC (Yang & Mandt 2023,
arXiv:2209.06950): 56 million parameters, a million MAC a pixel an evaluation. The paper's
text was not to be had: of it are the residual, and that base and diffusion model are trained as
one. Of CDC's published code are Adam at 5e-5, batches of 4 crops of 256 pixels, a million steps
and `rho`. Ours are the weight of the base's Lagrangian, v-prediction, one model for all rates,
and ST-LPIPS (AlexNet) in the place of LPIPS (VGG). `direct` is CDC. Not trained by us: no
figures are claimed for it.
"""

import optax

from jaxlic.codecs.hyperprior import lmbda
from jaxlic.losses.diffusion import residual_diffusion
from jaxlic.losses.rate_distortion import rate_distortion
from jaxlic.metrics.perceptual import perceptual
from jaxlic.models import Spec
from train.experiment import Experiment


def experiment(
    *,
    direct: bool = False,
    rho: float = 0.9,
    weight: float = 0.05,
    highest: float = 60.0,
    steps: int = 1_000_000,
    batch: int = 4,
    crop: int = 256,
    learning_rate: float = 5e-5,
    warmup: int = 1000,
    accumulate: int = 1,
    seed: int = 0,
) -> Experiment:
    """`weight` is that of the base's Lagrangian; qualities from 1 to `highest` are drawn."""
    schedule = optax.linear_schedule(0.0, learning_rate, warmup)
    return Experiment(
        name="rescdc",
        spec=Spec("refined.cdc", dict(direct=True) if direct else {}),
        assembly=dict(joint=True),
        loss=residual_diffusion(
            perceptual("st-lpips-alex").distance if rho else None,
            rho=rho,
            base=rate_distortion(lmbda),
            weight=weight,
        ),
        optimizer=optax.chain(optax.clip_by_global_norm(1.0), optax.adam(schedule)),
        crop=crop,
        batch=batch,
        steps=steps,
        seed=seed,
        accumulate=accumulate,
        qualities=(1.0, highest),
        eval_every=0,
    )
