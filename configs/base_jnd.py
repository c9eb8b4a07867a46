"""Tunes a codec to what the eye can see: one command for a folder of your own photographs.

python -m train configs/base_jnd.py --workdir runs/jnd --data FOLDER
python -m train.export runs/jnd mymodel && jaxlic compress photo.jpg --model ./mymodel

Starts from the shipped weights and minimises the rate plus a distortion that knows the
just-noticeable difference of each pixel (`jaxlic/ops/jnd.py`). `--set only=gain
learning_rate=3e-3` trains what depends on quality alone, the quantisation steps and the gains
of residual blocks: that is `base-jnd`. `only=params/gain/,params/inverse_gain/` are the steps.
`init_from=pyramid-3` is for the default codec. `--set loss=...`:

weighted   squared error in units of the threshold (the default)
beyond     squared error beyond the threshold, and a little of the plain one
pixel      squared error to an image without the detail that cannot be seen
image      error beyond that image's own, image by image
feature    nine parts squared error, one part error in features of that image
released   the image-wise loss as its authors' code has it: does nothing (a control)
plain      squared error: the control for all of them

To any of them `--set features=0.5` adds the ST-LPIPS distance (AlexNet) to the image, pulling
half as hard as the loss itself. How hard each term pulls is in the log.

Files are read and decoded as before: nothing changes but the weights. Compare with `plain`, the
same steps on the same crops; without that, a gain may be that of training on.
"""

import functools

import optax

from jaxlic.codecs.hyperprior import Hyperprior, lmbda
from jaxlic.losses import jnd
from jaxlic.losses.mixture import mixture
from jaxlic.losses.rate_distortion import Term, rate_distortion, squared_error
from jaxlic.metrics.perceptual import perceptual
from jaxlic.models import Spec, build, card
from jaxlic.ops.jnd import MARGIN, jnd_map, smoothed
from train.experiment import Experiment

LOSSES = ("weighted", "beyond", "pixel", "image", "feature", "released", "plain")


def experiment(
    *,
    loss: str = "weighted",
    features: float = 0.0,
    features_crop: int = 96,
    threshold: float = 1.0,
    anchor: float = 0.2,
    chroma: float = 2.0,
    only: str = "",
    init_from: str = "base",
    steps: int = 600,
    batch: int = 8,
    crop: int = 192,
    learning_rate: float = 5e-4,
    warmup: int = 50,
    balance: float = 0.3,
    mean_floor: float = 0.015,
    eval_every: int = 1000,
    seed: int = 0,
) -> Experiment:
    """Adam; the rate falls linearly to 1 %. `threshold` is how many differences are allowed,
    `chroma` how many times more in colour than in luma. `only` trains the parameters with one
    of these, by comma, in their path.
    """
    described = card(init_from)
    spec = Spec(described["builder"], described["settings"])
    model = build(spec)
    if not isinstance(model, Hyperprior):
        raise ValueError(f"init_from={init_from} is not base, dkic, or a pyramid")
    if loss not in LOSSES:
        raise ValueError(f"loss must be one of {', '.join(LOSSES)}, got {loss!r}")
    network = perceptual("st-lpips-alex") if features or loss == "feature" else None
    middle = None if features_crop >= crop else features_crop
    distortions: dict[str, Term] = {
        "beyond": jnd.beyond(threshold, anchor=anchor, chroma=chroma),
        "weighted": jnd.weighted(chroma),
        "pixel": jnd.pixel_wise,
        "image": jnd.image_wise(),
        "released": jnd.image_wise_as_released,
        "plain": squared_error,
    }
    if network is not None:
        distortions["feature"] = jnd.feature_wise(network.features, crop=middle)
    terms = {loss: (1.0, distortions[loss])}
    if network is not None and features:
        terms["features"] = (features, jnd.calibrated(network.distance, crop=middle))
    schedule = optax.join_schedules(
        [
            optax.linear_schedule(0.0, learning_rate, warmup),
            optax.linear_schedule(learning_rate, 0.01 * learning_rate, steps - warmup),
        ],
        [warmup],
    )
    return Experiment(
        name=f"{described['id']}-jnd",
        spec=spec,
        only=tuple(p for p in only.split(",") if p),
        loss=rate_distortion(
            functools.partial(lmbda, between=model.lambdas),
            mixture(terms, automatic=True),
            balance=balance,
            mean_floor=mean_floor,
        ),
        optimizer=optax.chain(optax.clip_by_global_norm(1.0), optax.adam(schedule)),
        crop=crop,
        batch=batch,
        steps=steps,
        seed=seed,
        maps={"jnd": jnd_map, "target": lambda x: smoothed(x, scale=threshold)},
        margin=MARGIN,
        eval_every=eval_every,
        init_from=init_from,
    )
