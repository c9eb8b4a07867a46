r"""Progressive synonymous compression. Liang et al. 2025, arXiv:2505.22438.

python -m train.extend pyramid-3 start --sic
python -m train configs/sic.py --workdir runs/sic --data FOLDER --set init_from=start
python -m train.export runs/sic mysic --parent pyramid-3 --calibrate FOLDER

Against a critic, in a run of its own from the weights of this one, as in the paper:

python -m train configs/sic.py --workdir runs/sic_gan --data FOLDER \
    --set adversarial=true init_from=mysic

The paper's size, from nothing: --set builder=sic.swin decoder_only=false init_from=none
"""

import jax
import optax
from jax.lax import stop_gradient

from jaxlic.losses.synonymous import synonymous_loss
from jaxlic.metrics.perceptual import over_views, perceptual
from jaxlic.models import Spec, card
from jaxlic.nn.critic import PatchCritic
from train.adversary import beside_a_critic
from train.experiment import Experiment
from train.parts import ENCODER, by_part


def experiment(
    *,
    builder: str = "sic.lapped",
    samples: int = 1,
    drawn: float = 0.1,
    metric: str = "st-lpips-alex",
    metric_path: str | None = None,
    views: bool = True,
    alpha: float = 0.5,
    consistent: float = 1.0,
    spreading: float = 0.0,
    meshed: float | None = None,
    full_distance: bool = True,
    adversarial: bool = False,
    critic_rate: float = 2e-4,
    decoder_only: bool = True,
    quality: float = 40.0,
    steps: int = 20_000,
    batch: int = 4,
    crop: int = 128,
    learning_rate: float = 2e-4,
    gain_rate: float = 1e-3,
    context_rate: float = 5e-4,
    linear_rate: float = 1e-5,
    pyramid_rate: float = 1e-3,
    warmup: int = 50,
    decay: float = 0.5,
    clip: float = 0.5,
    ema: float = 0.999,
    init_from: str | None = "sic",
    eval_every: int = 1000,
    log_every: int = 50,
    seed: int = 3407,
) -> Experiment:
    """One step trains all levels: each image of the batch has one of its own.

    Args:
        builder: `sic.lapped`, whose context sees magnitudes if that of `init_from` does, or
            `sic.swin`, the paper's size.
        samples: M, members of each image.
        drawn: share of members whose detail is drawn; that of the others is the mean.
        metric, metric_path: of `jaxlic.metrics.perceptual`; `none` for no perceptual term.
        views: the distance is taken in several views, which fits the one network less.
        alpha, consistent, spreading, meshed, full_distance: as of `synonymous_loss`; `meshed`
            is 16 for `sic.lapped` unless it is given, and 0 for others, which have no grid.
        adversarial: trains against a `PatchCritic`, which learns at `critic_rate`.
        decoder_only: trains synthesis and fine planes alone. What a file needs up to the
            last coarse level then stays as in `init_from`, and `--parent` shares it.
        quality: of files. There is one: rates are levels. The steps of the coarse plane are
            those of a quality 31.5 below, of the last fine plane 8.25 above.
        learning_rate to decay: as of `configs/pyramid.py`, fine planes with the context.
        clip: of the gradient's norm, the paper's.
    """
    if decoder_only and (init_from is None or builder != "sic.lapped"):
        raise ValueError("decoder_only goes with init_from and sic.lapped, else =false")
    known = {} if init_from is None else card(init_from)
    settings = known["settings"] if known.get("builder") == builder else {}
    distance = None
    if metric != "none":
        measure = perceptual(metric, path=metric_path).distance
        measure = over_views(measure) if views else measure

        def distance(x: jax.Array, y: jax.Array) -> jax.Array:
            return measure(stop_gradient(x), y)

    rates = dict(
        base=learning_rate,
        gains=gain_rate,
        context=context_rate,
        linear=linear_rate,
        pyramid=pyramid_rate,
    )
    optimizer = by_part(
        rates,
        with_muon=("context", "pyramid"),
        warmup=warmup,
        falling=int(decay * steps),
        steps=steps,
        clip=clip,
        fixed=ENCODER if decoder_only else None,
    )
    if adversarial:
        optimizer = beside_a_critic(optimizer, optax.adamw(critic_rate))
    return Experiment(
        name="sic",
        spec=Spec(builder, settings),
        assembly=dict(samples=samples, analyse_again=bool(consistent), drawn=drawn),
        loss=synonymous_loss(
            distance,
            alpha=alpha,
            consistent=consistent,
            spreading=spreading,
            meshed=16.0 * (builder == "sic.lapped") if meshed is None else meshed,
            full_distance=full_distance,
            against=adversarial,
        ),
        optimizer=optimizer,
        critic=PatchCritic() if adversarial else None,
        crop=crop,
        batch=batch,
        steps=steps,
        seed=seed,
        ema_decay=ema,
        eval_every=eval_every,
        log_every=log_every,
        qualities=(quality, quality),
        eval_qualities=(quality,),
        init_from=init_from,
    )
