r"""The codec `pyramid`: lapped transforms and, beside them, a nonlinear pyramid.

python -m train.extend dkic start
python -m train configs/pyramid.py --workdir runs/pyramid --data FOLDER --set init_from=start
python -m train.export runs/pyramid jaxlic/weights/pyramid --number 4 --calibrate FOLDER --small

Or from the shipped weights: --set init_from=pyramid-3. From scratch: leave out the first line
and `--set`. To go on so that files of the shipped weights stay readable:

python -m train configs/pyramid.py --workdir runs/on --data FOLDER \
    --set init_from=pyramid-3 decoder_only=true
python -m train.export runs/on OUT --id pyramid-3 --number 7 --stream pyramid-3 --small
"""

import functools

from jaxlic.codecs.hyperprior import lmbda
from jaxlic.codecs.pyramid import LAMBDAS
from jaxlic.losses.rate_distortion import rate_distortion
from jaxlic.models import Spec, card
from train.experiment import Experiment
from train.parts import ENCODER, by_part


def experiment(
    *,
    analysis: bool = True,
    synthesis: bool = True,
    magnitudes: bool | None = None,
    decoder_only: bool = False,
    pyramid: str = "muon",
    steps: int = 60_000,
    batch: int = 8,
    crop: int = 192,
    learning_rate: float = 2e-4,
    gain_rate: float = 1e-3,
    context_rate: float = 5e-4,
    linear_rate: float = 1e-5,
    pyramid_rate: float = 2e-3,
    warmup: int = 50,
    decay: float = 0.5,
    balance: float = 0.3,
    mean_floor: float = 0.015,
    error_price: float = 10.0,
    ema: float = 0.999,
    init_from: str | None = None,
    eval_every: int = 1000,
    log_every: int = 50,
    accumulate: int = 1,
    dtype: str = "float32",
    remat: bool = False,
    seed: int = 0,
) -> Experiment:
    """Rates are constant, then fall linearly to zero over the last `decay` of the steps.

    `pyramid_rate` is for the pyramids and the restoration, with `pyramid`: `muon` or `adam`;
    `context_rate` for the context, with Muon; the others with Adam: `gain_rate` for the
    quantisation steps, `linear_rate` for the prediction of the lowest frequencies, whose
    inputs are in the thousands, `learning_rate` for the rest. Without `analysis` or
    `synthesis` that transform has no pyramid. `magnitudes` is whether the context sees them;
    unless it is given, as in `init_from`, and from scratch it does. `decoder_only` trains the
    synthesis alone: with the weights that come of it files that there are can be read, and new
    ones are the same.
    """
    if pyramid not in ("muon", "adam"):
        raise ValueError(f"pyramid is muon or adam, not {pyramid}")
    known = True
    if init_from is not None:
        known = bool(card(init_from)["settings"].get("magnitudes", False))
    if magnitudes is not None and magnitudes != known and init_from is not None:
        raise ValueError(
            f"magnitudes={magnitudes} does not fit the context of init_from={init_from}"
        )
    magnitudes = known if magnitudes is None else magnitudes
    widths = {} if analysis else {"analysis_widths": []}
    if not synthesis:
        widths["synthesis_widths"] = [0, 64, 0]
    context = {"magnitudes": True} if magnitudes else {}
    spec = Spec("pyramid.lapped", dict(error_price=error_price, **widths, **context))
    rates = dict(
        base=learning_rate,
        gains=gain_rate,
        context=context_rate,
        linear=linear_rate,
        pyramid=pyramid_rate,
    )
    with_muon = {"context", "pyramid"} if pyramid == "muon" else {"context"}
    return Experiment(
        name="pyramid",
        spec=spec,
        loss=rate_distortion(
            functools.partial(lmbda, between=LAMBDAS), balance=balance, mean_floor=mean_floor
        ),
        optimizer=by_part(
            rates,
            with_muon=with_muon,
            warmup=warmup,
            falling=int(decay * steps),
            steps=steps,
            fixed=ENCODER if decoder_only else None,
        ),
        crop=crop,
        batch=batch,
        steps=steps,
        seed=seed,
        accumulate=accumulate,
        dtype=dtype,
        remat=remat,
        ema_decay=ema,
        eval_every=eval_every,
        log_every=log_every,
        eval_qualities=(10.0, 25.0, 40.0, 55.0, 70.0, 100.0),
        init_from=init_from,
    )
