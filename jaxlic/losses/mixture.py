"""Several distortions at once, with their sizes and pulls in the metrics."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import jax
import jax.numpy as jnp
from jax.lax import stop_gradient

from jaxlic.core import Batch, Metrics, Reconstruction
from jaxlic.losses.rate_distortion import Distortion, Term

_LARGEST = 1e4


def mixture(terms: Mapping[str, tuple[float, Term]], *, automatic: bool = False) -> Distortion:
    """A weighted sum of distortions of the reconstruction, for `rate_distortion`.

    The metrics get, for each term, `distortion_NAME`, its mean over the batch, and
    `gradient_NAME`, the mean over images of the norm of its gradient with respect to
    `x_hat`: how hard it pulls, before weights.

    Terms that are not on one scale are hard to weigh by hand. With `automatic` a weight says
    how hard a term pulls compared with the first one, image by image: it is multiplied by the
    first term's gradient norm over the term's own (at most 1e4), the rule of Esser et al. 2021
    (arXiv:2012.09841, eq. 7) taken at the reconstruction. The first term must not have a dead
    zone: where it has no gradient, nothing has.

    Args:
        terms: by name a weight and a distortion, which may depend on `x_hat` but on nothing
            else that is trained. Gradients of higher order are not passed on.
        automatic: see above.

    Raises:
        ValueError: if there are no terms, or a weight is negative.
    """
    if not terms:
        raise ValueError("a mixture needs a term")
    for name, (weight, _) in terms.items():
        if not weight >= 0:
            raise ValueError(f"the weight of {name} must not be negative, got {weight}")

    def distortion(batch: Batch, rec: Reconstruction) -> tuple[jax.Array, Metrics]:
        at = stop_gradient(rec.x_hat)
        total, metrics, reference = jnp.zeros(at.shape[0]), {}, None
        for name, (weight, term) in terms.items():

            def value(x, term=term):
                found = term(batch, dataclasses.replace(rec, x_hat=x))
                return jnp.sum(found), found

            slope, found = jax.grad(value, has_aux=True)(at)
            norm = jnp.sqrt(_sums(jnp.square(slope)))
            reference = norm if reference is None else reference
            scale = weight
            if automatic:
                scale = weight * jnp.minimum(reference / jnp.maximum(norm, 1e-12), _LARGEST)
            # The value, with the gradient that is known already: one backward pass a term.
            total = total + scale * (found + _sums(slope * (rec.x_hat - at)))
            metrics[f"distortion_{name}"] = jnp.mean(found)
            metrics[f"gradient_{name}"] = jnp.mean(norm)
        return total, metrics

    return distortion


def _sums(a):
    return jnp.sum(a.reshape(a.shape[0], -1), axis=1)
