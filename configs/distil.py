"""A smaller synthesis for the edge: a student of a trained codec's decoder.

python -m train configs/distil.py --workdir runs/student --data FOLDER --set teacher=base
python -m train.export runs/student student
jaxlic decompress photo.jlic --model ./student

The student reads the teacher's files: analysis, entropy model and tables stay the teacher's,
and only the picture differs. Its folder holds the synthesis alone and needs the teacher's.
What a short run gave is in docs/training.md.
"""

import optax

from jaxlic.codecs.hyperprior import lmbda
from jaxlic.losses.distillation import beside_a_teacher
from jaxlic.losses.rate_distortion import rate_distortion
from jaxlic.models import Spec, card
from train.distil import synthesis_alone
from train.experiment import ConfigError, Experiment


def experiment(
    *,
    teacher: str = "base",
    hidden: int = 96,
    blocks_eighth: int = 1,
    blocks_sixteenth: int = 1,
    share: float = 0.5,
    steps: int = 4_000,
    batch: int = 8,
    crop: int = 192,
    learning_rate: float = 1e-3,
    warmup: int = 50,
    decay: float = 0.6,
    ema: float = 0.995,
    eval_every: int = 1000,
    seed: int = 0,
) -> Experiment:
    """`share` of the error is from the teacher's picture, the rest from the photograph.

    `teacher` is a `hyperprior.lapped` model. The rate falls linearly to 1 % over the last
    `decay` of the steps. Building this reads the teacher's `model.json`.
    """
    told = card(teacher)
    if told["builder"] != "hyperprior.lapped":
        raise ConfigError(f"{teacher}: is {told['builder']}, students are hyperprior.lapped")
    smaller = dict(synthesis_hidden=hidden, synthesis_blocks=[blocks_eighth, blocks_sixteenth])
    falling = int(decay * steps)
    schedule = optax.join_schedules(
        [
            optax.linear_schedule(0.0, learning_rate, warmup),
            optax.constant_schedule(learning_rate),
            optax.linear_schedule(learning_rate, 0.01 * learning_rate, falling),
        ],
        [warmup, steps - falling],
    )
    adam = optax.chain(optax.clip_by_global_norm(1.0), optax.adam(schedule))
    return Experiment(
        name="student",
        spec=Spec("hyperprior.lapped", {**told["settings"], **smaller}),
        teacher=teacher,
        init_from=teacher,
        loss=rate_distortion(lmbda, beside_a_teacher(share), balance=0.3, mean_floor=0.015),
        optimizer=synthesis_alone(adam),
        crop=crop,
        batch=batch,
        steps=steps,
        seed=seed,
        ema_decay=ema,
        eval_every=eval_every,
        log_every=20,
    )
