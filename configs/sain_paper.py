"""SAIN as published: dense blocks, 500,000 steps, JPEG of quality 75. Needs a GPU and days.

python -m train configs/sain_paper.py --workdir runs/paper-x2 --data FOLDER --set scale=2

Jin et al. 2023, arXiv:2303.02353, with the settings of the released code. Not trained to its
end here. What differs: crops are flipped horizontally, not transposed too; the simulator is
closer to libjpeg than the released one (whole tables, planes of 8 bits, triangle upsampling).
Variant irn is the symmetric network of Xiao et al. 2020 under the same recipe; its latent is
drawn from the learned mixture, not from a fixed unit Gaussian.
"""

import optax

from jaxlic.losses import rescaling
from jaxlic.models import Spec
from jaxlic.rescaling import sain
from jaxlic.rescaling.channel import channel
from train.experiment import Experiment

LAYOUTS = {
    ("sain", 2): sain.PAPER_X2,
    ("sain", 4): sain.PAPER_X4,
    ("irn", 2): sain.IRN_X2,
    ("irn", 4): sain.IRN_X4,
}


def experiment(
    *,
    variant: str = "sain",
    scale: int = 2,
    steps: int = 500_000,
    quality: float = 75.0,
    format: str = "jpeg",
    real: bool = True,
    batch: int = 16,
    seed: int = 10,
) -> Experiment:
    """Losses are sums: clipping at 10 and the weight decay inside Adam belong to that.

    With `real` false the simulator takes the place of the files that a host writes and reads:
    for pods, and for other machines' compilers.
    """
    spec = Spec("rescaler.dense", dict(layout=list(LAYOUTS[variant, scale])))
    halvings = {k * steps // 5: 0.5 for k in (1, 2, 3, 4)}
    through = channel(formats=(format,), rounding="fourier", real=real, simulated=True)
    return Experiment(
        name=f"{variant}-x{scale}-paper",
        spec=spec,
        assembly=dict(through=through),
        loss=getattr(rescaling, variant)(scale),
        optimizer=optax.chain(
            optax.clip_by_global_norm(10.0),
            optax.add_decayed_weights(1e-5),
            optax.scale_by_adam(),
            optax.scale_by_learning_rate(optax.piecewise_constant_schedule(2e-4, halvings)),
        ),
        crop=128,
        batch=batch,
        steps=steps,
        seed=seed,
        qualities=(quality, quality),
        eval_qualities=(quality,),
        eval_every=5000,
    )
