r"""The diffusion refiner of the pyramid codec: what its decoder leaves out, learned.

python -m train configs/refiner.py --workdir runs/refiner --data FOLDER
python -m train.export runs/refiner refiner --id refiner --parent pyramid-3 --small

`init_from` is the base, or a refiner to train on. The base is frozen, and files are its own: a
refiner has no number. Fewer steps afterwards, each round from the one before:

python -m train configs/refiner.py --workdir runs/four --data FOLDER \
    --set init_from=refiner teacher=refiner few=4

What it is to be compared with, in the same steps and with the same network and perceptual loss:
a refiner that samples nothing, --set deterministic=true; CDC, which samples the image itself
and has no picture to begin with, --set direct=true; and one that samples the image but is told
of the picture, --set direct=true told=true.
"""

from typing import Any

import jax
import optax

from jaxlic.losses.diffusion import residual_diffusion
from jaxlic.metrics.perceptual import over_views, perceptual
from jaxlic.models import Spec, card
from train.experiment import Experiment


def experiment(
    *,
    init_from: str = "pyramid-3",
    deterministic: bool = False,
    direct: bool = False,
    told: bool | None = None,
    teacher: str | None = None,
    few: int = 0,
    rho: float | None = None,
    middle: int = 96,
    steps: int = 20_000,
    batch: int = 8,
    crop: int = 192,
    learning_rate: float = 5e-4,
    warmup: int = 100,
    decay: float = 0.5,
    ema: float = 0.999,
    lowest: float = 1.0,
    highest: float = 60.0,
    log_every: int = 50,
    seed: int = 0,
) -> Experiment:
    """The rate is constant, then falls linearly to zero over the last `decay` of the steps.

    `rho` is the share of ST-LPIPS (AlexNet), taken on the `middle` pixels of a crop, in views;
    unless it is given, 0.9, and none in distillation, whose aim is the teacher's picture.
    `deterministic` trains one evaluation at pure noise that is zero; `few` steps follow twice
    as many of the `teacher` (progressive distillation). Qualities from `lowest` to
    `highest` are drawn: above, nothing is missing that the eye could see.
    """
    if bool(few) != bool(teacher):
        raise ValueError("few steps have a teacher, and a teacher has a student of few steps")
    if few and (deterministic or direct):
        raise ValueError("what is distilled is a refiner that samples the residual")
    if rho is None:
        rho = 0.0 if few else 0.9
    kind = dict(direct=True) if direct else {}
    kind |= dict(deterministic=True) if deterministic else {}
    kind |= {} if told is None else dict(told=told)
    network = perceptual("st-lpips-alex") if rho else None
    edge = (crop - middle) // 2

    def distance(x: jax.Array, y: jax.Array) -> jax.Array:
        assert network is not None
        inside = slice(edge, crop - edge)
        return over_views(network.distance)(x[:, inside, inside], y[:, inside, inside])

    falling = int(decay * steps)
    schedule = optax.join_schedules(
        [
            optax.linear_schedule(0.0, learning_rate, warmup),
            optax.constant_schedule(learning_rate),
            optax.linear_schedule(learning_rate, 0.0, falling),
        ],
        [warmup, steps - falling],
    )
    return Experiment(
        name="refiner",
        spec=Spec("refined.lapped", base_of(init_from) | kind),
        assembly=dict(few=few) if few else {},
        teacher=teacher,
        only=("params/refiner/",),
        loss=residual_diffusion(distance if rho else None, rho=rho),
        optimizer=optax.chain(optax.clip_by_global_norm(1.0), optax.adam(schedule)),
        crop=crop,
        batch=batch,
        steps=steps,
        seed=seed,
        ema_decay=ema,
        qualities=(lowest, highest),
        eval_every=0,
        log_every=log_every,
        init_from=init_from,
    )


def base_of(model: str) -> dict[str, Any]:
    """The settings of a refiner whose base is a model, or that of a refiner."""
    described = card(model)
    settings, kind = described["settings"], described["builder"].partition(".")[0]
    if kind == "refined":
        kept = ("base", "settings", "direct", "told")
        return {name: settings[name] for name in kept if name in settings}
    return dict(base=kind, settings=settings)
