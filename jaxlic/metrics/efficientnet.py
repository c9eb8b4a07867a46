"""EfficientNet-Lite0: a small classifier whose pooled features a Fréchet distance compares.

Tan & Le 2019, arXiv:1905.11946, in the variant for phones: rectifiers up to 6, no squeeze and
excitation. Pure functions of converted weights, batch normalisation folded into them:
`stem`, `block{i}_expand`, `block{i}_depthwise`, `block{i}_project`, `head`, each
`{"kernel": [h, w, I, O], "bias": [O]}`.
"""

from __future__ import annotations

from collections.abc import Mapping

import jax
import jax.numpy as jnp

from jaxlic.nn.conv import conv2d

FEATURES = 1280
Weights = Mapping[str, Mapping[str, jax.Array]]
# Of each stage: kernel edge, stride, expansion, channels, blocks.
_STAGES = (
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)


def efficientnet_lite0(weights: Weights, x: jax.Array) -> jax.Array:
    """Pooled features `[B, 1280]` of `[B, H, W, 3]` in [0, 1].

    Raises:
        ValueError: if a side is below 32 pixels.
    """
    if x.ndim != 4 or x.shape[-1] != 3 or min(x.shape[1:3]) < 32:
        raise ValueError(f"features take RGB images of 32 pixels a side or more, got {x.shape}")
    x = _relu6(_conv(weights["stem"], (255 * x - 127) / 128, 2))
    for i, (edge, stride, expansion) in enumerate(_blocks()):
        h = x
        if expansion > 1:
            h = _relu6(_conv(weights[f"block{i}_expand"], h))
        h = _relu6(_depthwise(weights[f"block{i}_depthwise"], h, edge, stride))
        h = _conv(weights[f"block{i}_project"], h)
        x = x + h if h.shape == x.shape else h
    return _relu6(_conv(weights["head"], x)).mean(axis=(1, 2))


def shapes() -> dict[str, tuple[int, ...]]:
    """The shape of every kernel, by the name of its layer."""
    found = {"stem": (3, 3, 3, 32)}
    before, i = 32, 0
    for edge, _, expansion, channels, count in _STAGES:
        for _ in range(count):
            wide = expansion * before
            if expansion > 1:
                found[f"block{i}_expand"] = (1, 1, before, wide)
            found[f"block{i}_depthwise"] = (edge, edge, 1, wide)
            found[f"block{i}_project"] = (1, 1, wide, channels)
            before, i = channels, i + 1
    return {**found, "head": (1, 1, before, FEATURES)}


def _blocks():
    for edge, stride, expansion, _, count in _STAGES:
        for k in range(count):
            yield edge, stride if k == 0 else 1, expansion


def _relu6(x):
    return jnp.clip(x, 0, 6)


def _conv(layer, x, stride=1):
    edge = layer["kernel"].shape[0]
    pads = tuple(_same(n, edge, stride) for n in x.shape[1:3])
    return conv2d(x, layer["kernel"], padding=pads, stride=stride) + layer["bias"]


def _depthwise(layer, x, edge, stride):
    """Sums of shifted copies: XLA's grouped convolutions are slow on CPU."""
    rows, columns = (-(-n // stride) for n in x.shape[1:3])
    pads = [_same(n, edge, stride) for n in x.shape[1:3]]
    x = jnp.pad(x, ((0, 0), *pads, (0, 0)))
    total = layer["bias"]
    for i in range(edge):
        for j in range(edge):
            last = i + stride * (rows - 1) + 1, j + stride * (columns - 1) + 1
            part = x[:, i : last[0] : stride, j : last[1] : stride]
            total = total + part * layer["kernel"][i, j, 0]
    return total


def _same(n, edge, stride):
    """Zeros before and after, as TensorFlow pads: one more after."""
    total = max((-(-n // stride) - 1) * stride + edge - n, 0)
    return total // 2, total - total // 2
