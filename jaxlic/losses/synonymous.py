"""The loss of progressive synonymous compression, term by term.

Source: Liang, Niu, Wang, Xu & Zhang 2025, "Synonymous variational inference for perceptual
image compression", arXiv:2505.22438, and its released code. A file names a set of pictures, the
synset; y_s is the part of the latent that is sent, y_e the detail that is drawn. Their
objective is the expected partial semantic divergence

    D_s[q || p_s] = sum_sets sum_{u in set} q(u) log(q(u) / p(set)),

whose denominator is the mass of a whole set: which member q prefers costs nothing. With
q(y | x) uniform around the analysis of x, and Bayes' rule, it becomes up to a constant

    E_x E_q [ -log p(y_s) - log p(set | y_s) ]
      ~ lambda_r R(y_s) + lambda_d E_j[MSE(x, x_j)] + lambda_p E_j[d(x, x_j)],

x_j being the members that are decoded and d a perceptual distance, in the place of a
divergence of distributions. Images are in [0, 1], rates in bits a pixel, latents in
quantisation steps. All functions are by image, `[B]`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxlic.core import Batch, Loss, Metrics, Reconstruction
from jaxlic.losses import adversarial
from jaxlic.ops.distortion import repeated_error

PAPER_LEVELS = 16
Distance = Callable[[jax.Array, jax.Array], jax.Array]  # Two `[N, H, W, 3]` to `[N]`.


class Weights(NamedTuple):
    """Of rate, squared error and perceptual distance, each `[B]`."""

    rate: jax.Array
    distortion: jax.Array
    perception: jax.Array


def paper_weights(level: jax.Array, levels: int) -> Weights:
    """The paper's weights for level l of 16, and for as many levels in the same range.

        lambda_r = 2**(6 - 6 t / 16),  lambda_d = 128 t,  lambda_p = 2**(5 - t / 8),

    with t = 16 l / levels.
    """
    t = PAPER_LEVELS * level.astype(jnp.float32) / levels
    return Weights(2.0 ** (6 - 6 * t / PAPER_LEVELS), 128 * t, 2.0 ** (5 - t / 8))


def rate(level_bpp: jax.Array, level: jax.Array) -> jax.Array:
    """Bits a pixel of all that is sent: `R_l = sum_{k <= l} bpp_k`, the hyper-latent with it.

    Args:
        level_bpp: `[B, L]`, what each level adds.
        level: `[B]`, from 1 on.
    """
    sent = jnp.arange(level_bpp.shape[1]) < level[:, None]
    return jnp.sum(jnp.where(sent, level_bpp, 0.0), axis=1)


def expected_squared_error(image: jax.Array, members: jax.Array) -> jax.Array:
    """`E_j[MSE(x, x_j)]`, of members `[M, B, H, W, 3]`."""
    return jnp.mean(jnp.square(members - image), axis=(0, 2, 3, 4))


def expected_mesh(image: jax.Array, members: jax.Array) -> jax.Array:
    """`E_j[r(x, x_j)]`, r the `ops.distortion.repeated_error`, of members `[M, B, H, W, 3]`.

    The mean over the two grids that a lapped transform of 16 with one of 8 may leave. A
    sixteenth of all other error is in it too. Ours, not the paper's: what has no grid leaves
    no mesh.
    """

    def of(member: jax.Array) -> jax.Array:
        found = (repeated_error(image, member, period=p) for p in (8, 16))
        return sum(found, jnp.zeros(len(image))) / 2

    return jnp.mean(jax.vmap(of)(members), axis=0)


def expected_distance(image: jax.Array, members: jax.Array, distance: Distance) -> jax.Array:
    """`E_j[d(x, x_j)]`, of members `[M, B, H, W, 3]`; pictures are clipped, with gradients."""
    count, batch = members.shape[:2]
    pictures = members + jax.lax.stop_gradient(jnp.clip(members, 0, 1) - members)
    pairs = jnp.broadcast_to(image, members.shape)
    found = distance(*(a.reshape(count * batch, *a.shape[2:]) for a in (pairs, pictures)))
    return jnp.mean(found.reshape(count, batch), axis=0)


def synonymous(
    weights: Weights, bpp: jax.Array, squared: jax.Array, distance: jax.Array
) -> jax.Array:
    """`L_l = lambda_r R_l + lambda_d E_j[MSE] + lambda_p E_j[d]`."""
    return weights.rate * bpp + weights.distortion * squared + weights.perception * distance


def consistency(latents: jax.Array, again: jax.Array, sent: jax.Array) -> jax.Array:
    """A decoded picture, analysed again, is to give the latents that it was decoded from.

        L_c = mean_{i = 0..M} MSE_s(y_i, g_a(x_i)) + mean_{i = 0..M} MSE_e(y_i, g_a(x_i)),

    where i = 0 is the picture of all levels. For a member MSE_s is over what was sent and MSE_e
    over the rest; for the picture of all levels MSE_s is over everything and MSE_e zero (so in
    the released code).

    Args:
        latents, again: `[1 + M, B, h, w, C]`, first of all levels.
        sent: `[B, h, w, C]`, 1 where the latents of members were sent.
    """
    error = jnp.square(latents - again)

    def mean(a: jax.Array, where: jax.Array) -> jax.Array:
        total = jnp.sum(a * where, axis=(-3, -2, -1))
        return total / jnp.maximum(jnp.sum(where, axis=(-3, -2, -1)), 1.0)

    count = latents.shape[0]
    first = mean(error[0], jnp.ones_like(sent))
    synonyms = first + jnp.sum(mean(error[1:], sent), axis=0)
    detail = jnp.sum(mean(error[1:], 1 - sent), axis=0)
    return (synonyms + detail) / count


def rate_spreading(level_bpp: jax.Array, level: jax.Array) -> jax.Array:
    """`64 std_k(bpp_k) - 4 bpp_l`: levels are to take much the same bits.

    The released code has it in the first two of 160 epochs. Where channels are frequencies the
    levels' shares are those of a photograph, and it is off by default.
    """
    own = jnp.take_along_axis(level_bpp, level[:, None] - 1, axis=1)[:, 0]
    return 64 * jnp.std(level_bpp, axis=1) - 4 * own


def spread(members: jax.Array) -> jax.Array:
    """Root of the mean variance over members, in levels of 255: 0 where all are one picture."""
    return 255 * jnp.sqrt(jnp.mean(jnp.var(members, axis=0), axis=(1, 2, 3)))


def synonymous_loss(
    distance: Distance | None,
    *,
    alpha: float = 0.5,
    consistent: float = 1.0,
    spreading: float = 0.0,
    meshed: float = 0.0,
    full_distance: bool = True,
    against: bool = False,
) -> Loss:
    """`L = alpha L_l + (1 - alpha) L_L + L_c`, for what a `levelled_codec` returns.

    Args:
        distance: perceptual, such as `Perceptual.distance`; None for none.
        alpha: of the members at their level, against the picture of all levels.
        consistent: weight of `consistency`; 0 leaves it out, and its analyses.
        spreading: weight of `rate_spreading`.
        meshed: weight of `expected_mesh` beside the squared error's 1.
        full_distance: whether the picture of all levels has a perceptual term too. The distance
            is the dearest part of a step.
        against: a critic, for what `train.adversary.with_critic` adds. The codec's adversarial
            loss joins the perceptual distance, with its weight, in L_l and L_L (the released
            code); the critic's own, `alpha L_D,l + (1 - alpha) L_D,L`, is added.
    """

    def perceived(image: jax.Array, members: jax.Array) -> jax.Array:
        if distance is None:
            return jnp.zeros(image.shape[0])
        return expected_distance(image, members, distance)

    def loss(batch: Batch, rec: Reconstruction) -> tuple[jax.Array, Metrics]:
        image, aux, level = batch["image"], rec.aux, rec.aux["level"]
        pixels = image.shape[1] * image.shape[2]
        level_bpp = aux["level_bits"] / pixels
        levels = level_bpp.shape[1]
        top = jnp.full_like(level, levels)
        full, members = aux["pictures"][:1], aux["pictures"][1:]
        bpp, bpp_all = rate(level_bpp, level), jnp.sum(level_bpp, axis=1)
        error, error_all = (expected_squared_error(image, a) for a in (members, full))
        paid, paid_all = error, error_all
        if meshed:
            repeated = expected_mesh(image, members)
            paid = error + meshed * repeated
            paid_all = error_all + meshed * expected_mesh(image, full)
        seen = perceived(image, members)
        seen_all = perceived(image, full) if full_distance else jnp.zeros_like(seen)
        metrics = {"level_distance": seen, "distance": seen_all}
        if against:
            fooled = adversarial.generator(aux["fake"])
            fooled = jnp.mean(fooled[1:], axis=0), fooled[0]
            seen, seen_all = seen + fooled[0], seen_all + fooled[1]
        value = alpha * synonymous(paper_weights(level, levels), bpp, paid, seen)
        value += (1 - alpha) * synonymous(
            paper_weights(top, levels), bpp_all, paid_all, seen_all
        )
        metrics |= {
            "bpp": bpp_all,
            "psnr": -10 * jnp.log10(error_all),
            "level_bpp": bpp,
            "level_psnr": -10 * jnp.log10(error),
            "hyper_bpp": rec.bits["z"] / pixels,
            "spread": spread(members),
        }
        if meshed:
            metrics["level_mesh"] = 255 * jnp.sqrt(repeated)
        if consistent:
            again = consistency(aux["latents"], aux["again"], aux["sent"])
            value += consistent * again
            metrics["consistency"] = again
        if against:
            judged = adversarial.critic(aux["real_seen"], aux["fake_seen"])
            judged = alpha * jnp.mean(judged[1:], axis=0) + (1 - alpha) * judged[0]
            value += judged
            metrics |= {"critic": judged, "fooled": fooled[0]}
        if spreading:
            value += spreading * rate_spreading(level_bpp, level)
        return jnp.mean(value), {"loss": jnp.mean(value)} | {
            name: jnp.mean(a) for name, a in metrics.items()
        }

    return loss
