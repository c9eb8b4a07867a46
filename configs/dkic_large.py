r"""The dynamic-kernel codec at paper scale, for accelerators: 32.9 million parameters.

python -m train configs/dkic_large.py --workdir runs/dkic_large --data FOLDER

N=192, M=320, residual groups of dynamic kernels at 1/4, 1/8 and 1/16 of the resolution; 188
kMAC a pixel to encode, 185 to decode. After Wang et al. 2023, arXiv:2308.08723, whose sizes and
schedule are not known to us. Not trained by us: no figures are claimed for it. Ablations as in
configs/dkic.py, by `kernel`, `hyper_kernel` and `passes`.

A small one for CPUs, groups at 1/4 and 1/8 alone, 21 kMAC a pixel each way, 4.2 million
parameters; and with plain kernels of as many parameters and operations:

--set features=64 latents=128 slices=8,8,16,32,64 summary=64 context_hidden=96 crop=192 \
    batch=8 kernel_blocks=2,2,0 kernel_hidden=64
--set ... kernel=plain kernel_hidden=32
"""

import optax

from jaxlic.codecs.hyperprior import lmbda
from jaxlic.losses.rate_distortion import rate_distortion
from jaxlic.models import Spec
from train.experiment import Experiment


def experiment(
    *,
    features: int = 192,
    latents: int = 320,
    kernel: str = "dynamic",
    kernel_hidden: int = 192,
    kernel_blocks: str = "3,3,3",
    radius: int = 2,
    hyper_kernel: bool = True,
    slices: str = "16,16,32,64,192",
    passes: str = "4,2,2,2,2",
    summary: int = 192,
    context_hidden: int = 224,
    steps: int = 1_000_000,
    batch: int = 16,
    crop: int = 256,
    learning_rate: float = 1e-4,
    accumulate: int = 1,
    dtype: str = "float32",
    remat: bool = False,
    init_from: str | None = None,
    seed: int = 0,
) -> Experiment:
    """Adam at 1e-4, a tenth of it over the last fifth."""
    spec = Spec(
        "dkic.convolutional",
        dict(
            features=features,
            latents=latents,
            kernel=kernel,
            kernel_hidden=kernel_hidden,
            kernel_blocks=[int(n) for n in kernel_blocks.split(",")],
            radius=radius,
            hyper_kernel=hyper_kernel,
            slices=[int(n) for n in slices.split(",")],
            passes=[int(n) for n in passes.split(",") if n],
            summary=summary,
            context_hidden=context_hidden,
        ),
    )
    schedule = optax.piecewise_constant_schedule(learning_rate, {int(0.8 * steps): 0.1})
    return Experiment(
        name="dkic-large",
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
        init_from=init_from,
    )
