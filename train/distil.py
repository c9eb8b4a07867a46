"""Distillation of a synthesis: a student draws what a frozen teacher has coded.

Hinton, Vinyals & Dean 2015, arXiv:1503.02531, of a regression: the student is told the
teacher's picture beside the photograph. Analysis, entropy model and tables are the teacher's,
so the teacher's files are the student's.
"""

from __future__ import annotations

from collections.abc import Hashable

import jax
import optax
from jax.lax import stop_gradient

from jaxlic.builders import Spec, assemble, build
from jaxlic.core import Codec, Params, Reconstruction
from jaxlic.errors import ModelError
from jaxlic.models import Model
from jaxlic.ops import quantisation

PART = "synthesis_transform"


def student(spec: Spec, teacher: Model) -> Codec:
    """The codec of `spec`; in `forward` the teacher codes, and the student draws.

    The latents are the teacher's, rounded as in its files. `aux["teacher"]` is the teacher's
    picture, for `losses.distillation`. Only the student's `synthesis_transform` is used.

    Raises:
        ModelError: if the teacher is no codec.
    """
    codec, module = assemble(spec), build(spec)
    coder = assemble(teacher.spec, quantise=quantisation.hard)
    if not isinstance(coder, Codec) or not isinstance(codec, Codec):
        raise ModelError(f"{teacher.id}: is no codec, and cannot teach one")

    def forward(
        params: Params, image: jax.Array, quality: jax.Array, key: jax.Array
    ) -> Reconstruction:
        rec = stop_gradient(coder.forward(teacher.params, image, quality, key))
        x_hat = module.apply(params, rec.aux["y_hat"], quality, method="synthesis")
        return Reconstruction(x_hat, rec.bits, {**rec.aux, "teacher": rec.x_hat})

    return codec._replace(forward=forward)


def synthesis_alone(optimizer: optax.GradientTransformation) -> optax.GradientTransformation:
    """`optimizer` for the parameters of the synthesis; all others stay to the bit."""

    def labels(params: Params) -> Params:
        def label(path, _):
            return "student" if jax.tree_util.DictKey(PART) in path else "teacher"

        return jax.tree_util.tree_map_with_path(label, params)

    parts: dict[Hashable, optax.GradientTransformation] = {
        "student": optimizer,
        "teacher": optax.set_to_zero(),
    }
    return optax.partition(parts, labels)
