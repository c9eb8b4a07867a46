"""Fixed feature pyramids: what perceptual metrics and losses compare images in.

Pure functions of converted weights, `{"conv0": {"kernel": [h, w, I, O], "bias": [O]}, ...}`,
that map images to a list of features after rectifiers, from fine to coarse. The shift-tolerant
networks of ST-LPIPS (Ghildyal & Liu 2022, arXiv:2207.13686) blur before they discard samples
(Zhang 2019, arXiv:1904.11486) and do not stride in their first convolution.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
import numpy as np

from jaxlic.nn.conv import conv2d

Weights = Mapping[str, Mapping[str, jax.Array]]
Pyramid = Callable[[Weights, jax.Array], list[jax.Array]]

# Of ImageNet, for inputs in [-1, 1]; as in LPIPS (Zhang et al. 2018, arXiv:1801.03924).
_SHIFT, _SCALE = np.array([-0.030, -0.088, -0.188]), np.array([0.458, 0.448, 0.450])
_MEAN, _DEVIATION = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
_VGG = ((0, 1), (2, 3), (4, 5, 6), (7, 8, 9), (10, 11, 12))


def shift_tolerant_alexnet(weights: Weights, x: jax.Array) -> list[jax.Array]:
    """Five features of `[B, H, W, 3]` in [0, 1]: 64, 192, 384, 256 and 256 channels.

    Raises:
        ValueError: if a side is below 32 pixels.
    """
    x = _normalised(x)
    first = jax.nn.relu(_blurred(_conv(weights, 0, x, padding=2)))
    second = jax.nn.relu(_conv(weights, 1, _blurred(_max_pool(first, 3))))
    third = jax.nn.relu(_conv(weights, 2, _blurred(_max_pool(second, 3))))
    fourth = jax.nn.relu(_conv(weights, 3, third))
    return [first, second, third, fourth, jax.nn.relu(_conv(weights, 4, fourth))]


def shift_tolerant_vgg16(weights: Weights, x: jax.Array) -> list[jax.Array]:
    """Five features of `[B, H, W, 3]` in [0, 1]: 64, 128, 256, 512 and 512 channels.

    Raises:
        ValueError: if a side is below 32 pixels.
    """
    return _vgg16(weights, _normalised(x), lambda x: _blurred(_max_pool(x, 2)))


def alexnet(weights: Weights, x: jax.Array) -> list[jax.Array]:
    """The plain AlexNet of torchvision (Krizhevsky 2014, arXiv:1404.5997), as LPIPS takes it.

    Arguments, channels and errors as of `shift_tolerant_alexnet`.
    """
    first = jax.nn.relu(_conv(weights, 0, _normalised(x), padding=2, stride=4))
    second = jax.nn.relu(_conv(weights, 1, _max_pool(first, 3, 2)))
    third = jax.nn.relu(_conv(weights, 2, _max_pool(second, 3, 2)))
    fourth = jax.nn.relu(_conv(weights, 3, third))
    return [first, second, third, fourth, jax.nn.relu(_conv(weights, 4, fourth))]


def vgg16(weights: Weights, x: jax.Array) -> list[jax.Array]:
    """The plain VGG-16 (Simonyan & Zisserman 2015, arXiv:1409.1556), as LPIPS takes it.

    Arguments, channels and errors as of `shift_tolerant_vgg16`.
    """
    return _vgg16(weights, _normalised(x), lambda x: _max_pool(x, 2, 2))


def dists_vgg16(weights: Weights, x: jax.Array) -> list[jax.Array]:
    """The image itself, and VGG-16 with l2-pooling as DISTS takes it.

    Source: Ding, Ma, Wang & Simoncelli 2020, arXiv:2004.07728. Arguments and errors as of
    `shift_tolerant_vgg16`.
    """
    _check(x)
    normal = (x - jnp.asarray(_MEAN, x.dtype)) / jnp.asarray(_DEVIATION, x.dtype)
    return [x, *_vgg16(weights, normal, _l2_pool)]


def _vgg16(weights, x, pool):
    features = []
    for block in _VGG:
        if features:
            x = pool(x)
        for layer in block:
            x = jax.nn.relu(_conv(weights, layer, x))
        features.append(x)
    return features


def _l2_pool(x):
    """Every second root of a blurred square, zeros outside."""
    x = jnp.pad(jnp.square(x), ((0, 0), (1, 1), (1, 1), (0, 0)))
    return jnp.sqrt(_binomial(x) + 1e-12)


def _check(x):
    if x.ndim != 4 or x.shape[-1] != 3 or min(x.shape[1:3]) < 32:
        raise ValueError(f"features take RGB images of 32 pixels a side or more, got {x.shape}")


def _normalised(x):
    _check(x)
    return (2 * x - 1 - jnp.asarray(_SHIFT, x.dtype)) / jnp.asarray(_SCALE, x.dtype)


def _conv(weights, number, x, padding=None, stride=1):
    layer = weights[f"conv{number}"]
    pads = None if padding is None else ((padding, padding), (padding, padding))
    return conv2d(x, layer["kernel"], padding=pads, stride=stride) + layer["bias"]


def _max_pool(x, edge, stride=1):
    """Where the window lies inside."""
    strides = (1, stride, stride, 1)
    return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, edge, edge, 1), strides, "VALID")


def _blurred(x):
    """Every second sample of a binomial filter of 3x3, mirrored two beyond the border."""
    return _binomial(jnp.pad(x, ((0, 0), (2, 2), (2, 2), (0, 0)), mode="reflect"))


def _binomial(x):
    """`[1 2 1]` in both directions where it lies inside, every second sample."""
    rows = (x.shape[1] - 3) // 2 + 1
    columns = (x.shape[2] - 3) // 2 + 1
    last = 2 * (rows - 1) + 1
    x = (x[:, 0:last:2] + 2 * x[:, 1 : last + 1 : 2] + x[:, 2 : last + 2 : 2]) / 4
    last = 2 * (columns - 1) + 1
    return (x[:, :, 0:last:2] + 2 * x[:, :, 1 : last + 1 : 2] + x[:, :, 2 : last + 2 : 2]) / 4
