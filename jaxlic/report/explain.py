"""What a codec with dynamic kernels looks at: its sampling points and its receptive field.

Both depend on the image. The sampling points of a layer are where its taps come to lie at a
position, and their weights; the receptive field is the gradient of a position's latent with
respect to the pixels.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import flax.traverse_util
import jax
import jax.numpy as jnp
import numpy as np

from jaxlic.core import Codec
from jaxlic.errors import Error, ModelError
from jaxlic.models import Model, build
from jaxlic.ops.tiling import padded
from jaxlic.ops.warp import taps

MAX_SIDE = 1024
DEAD, SATURATED = 0.05, 0.95  # Samples; of the radius.


class Layer(NamedTuple):
    """One dynamic kernel's view of an image.

    Attributes:
        name: its place among the parameters, from "analysis_transform" or so on.
        stride: pixels from one of its positions to the next.
        radius: the longest offset it may have.
        offsets: `[H, W, G, K, 2]`, rows then columns, in samples; zeros if it has none.
        weights: `[H, W, G, K]`.
        fallbacks: predictions that were not finite.
    """

    name: str
    stride: int
    radius: int
    offsets: np.ndarray
    weights: np.ndarray
    fallbacks: int


def window(
    image: np.ndarray, points: Sequence[tuple[int, int]] = ()
) -> tuple[np.ndarray, tuple[int, int]]:
    """The part of a uint8 image that is looked at, of at most 1024 pixels a side.

    Args:
        image: `[H, W, 3]`.
        points: (x, y) in pixels, around which it is; none for the centre.

    Returns:
        The part, and (x, y) of its corner.

    Raises:
        Error: if a point is not in the image, or they are too far from each other.
    """
    height, width = image.shape[:2]
    for x, y in points:
        if not (0 <= x < width and 0 <= y < height):
            raise Error(f"{x},{y} is outside of {width}x{height} pixels")
    starts = []
    for axis, n in enumerate((width, height)):
        along = [point[axis] for point in points] or [0, n - 1]
        low, high = min(along), max(along)
        if points and high - low >= MAX_SIDE:
            raise Error(f"points are at most {MAX_SIDE - 1} pixels from each other")
        starts.append(min(max((low + high + 1 - MAX_SIDE) // 2, 0), max(n - MAX_SIDE, 0)))
    left, top = starts
    return image[top : top + MAX_SIDE, left : left + MAX_SIDE], (left, top)


def layers(model: Model, image: np.ndarray, quality: float) -> list[Layer]:
    """Every dynamic kernel that runs when `image`, uint8 `[H, W, 3]`, is coded and decoded.

    Raises:
        ModelError: if the model has no dynamic kernels.
    """
    module, x, q = _inputs(model, image, quality)

    @jax.jit
    def run(params):
        def all_of_it(module):
            y = jnp.round(module.analysis(x, q))
            module.hyper_analysis(y[..., : module.latents - getattr(module, "extra", 0)], q)
            module.synthesis(y, q)

        return module.apply(params, method=all_of_it, mutable=["intermediates"])[1]

    found: dict[str, dict[str, Any]] = {}
    seen = flax.traverse_util.flatten_dict(run(model.params).get("intermediates", {}))
    for path, values in seen.items():
        for name, of_one in _blocks("/".join(path[:-1]), values):
            found.setdefault(name, {})[path[-1]] = of_one
    result = []
    for name, sown in found.items():
        weights = np.asarray(sown["weights"][0])[0]
        offsets = np.zeros((*weights.shape, 2), np.float32)
        if "offsets" in sown:
            offsets = np.asarray(sown["offsets"][0])[0]
        stride = x.shape[1] // weights.shape[0]
        radius = int(sown["radius"][0]) if "radius" in sown else 0
        count = sum(int(n) for n in sown["fallbacks"])
        result.append(Layer(name, stride, radius, offsets, weights, count))
    if not result:
        raise ModelError(f"model {model.id} has no dynamic kernels to explain")
    return sorted(result, key=lambda layer: layer.name)


def _blocks(name: str, values: tuple) -> Iterator[tuple[str, tuple]]:
    """What was sown, block by block: a loop of equal blocks sows it stacked."""
    if "/blocks/" not in name:
        yield name, values
        return
    for k in range(len(values[0])):
        yield name.replace("/blocks/", f"/blocks_{k}/"), tuple(value[k] for value in values)


def statistics(layer: Layer) -> dict[str, float]:
    """Whether offsets are alive, in samples and shares: neither stuck at zero nor at the bound.

    `mean` and `p95` are of the length along an axis; `dead` is the share of offsets below
    0.05 samples, `saturated` of those above 95 % of the radius; `alike` is the share of their
    energy that is the same at every position, 1 where nothing adapts; `effective_taps` is the
    exponential of the entropy of the weights, 9 if all count alike.
    """
    length = np.abs(layer.offsets)
    energy = float(np.square(layer.offsets).mean(axis=(0, 1)).sum())
    common = float(np.square(layer.offsets.mean(axis=(0, 1))).sum())
    share = np.abs(layer.weights) / np.sum(np.abs(layer.weights), axis=-1, keepdims=True)
    entropy = -np.sum(share * np.log(np.maximum(share, 1e-12)), axis=-1)
    return {
        "mean": float(length.mean()),
        "p95": float(np.percentile(length, 95)),
        "dead": float(np.mean(length < DEAD)),
        "saturated": float(np.mean(length > SATURATED * layer.radius)) if layer.radius else 0.0,
        "alike": common / energy if energy else 1.0,
        "effective_taps": float(np.exp(entropy).mean()),
    }


def receptive_field(
    model: Model, image: np.ndarray, quality: float, points: Sequence[tuple[int, int]]
) -> list[np.ndarray]:
    """How much each pixel moves the latent at each point.

    Args:
        model: a codec.
        image: uint8 `[H, W, 3]`.
        quality: in [1, 100].
        points: (x, y) in pixels.

    Returns:
        For each point `[H, W]`: the length of the gradient of half the squared latent there,
        over the colours, relative to its maximum.
    """
    module, x, q = _inputs(model, image, quality)

    @jax.jit
    def gradient(params, row, column):
        def energy(x):
            y = module.apply(params, x, q, method="analysis")
            return 0.5 * jnp.sum(jnp.square(y[0, row, column]))

        return jnp.linalg.norm(jax.grad(energy)(x)[0], axis=-1)

    fields = []
    for px, py in points:
        stride = module.latent_stride
        field = np.asarray(gradient(model.params, py // stride, px // stride))
        fields.append(field[: image.shape[0], : image.shape[1]] / max(field.max(), 1e-12))
    return fields


def interesting(image: np.ndarray) -> list[tuple[int, int]]:
    """Four points (x, y), one in each quarter of the image: its strongest detail there."""
    luma = image.astype(np.float32).mean(axis=-1)
    rows, columns = np.gradient(luma) if min(luma.shape) > 1 else (0 * luma, 0 * luma)
    energy = np.abs(rows) + np.abs(columns)
    # Sums over 16x16 pixels, so that one noisy pixel does not win.
    for axis in (0, 1):
        sums = np.cumsum(energy, axis=axis)
        before = np.take(sums, np.maximum(np.arange(energy.shape[axis]) - 16, 0), axis=axis)
        energy = sums - before
    (height, width), points = luma.shape, []
    for top, left in ((0, 0), (0, width // 2), (height // 2, 0), (height // 2, width // 2)):
        part = energy[top : top + max(height // 2, 1), left : left + max(width // 2, 1)]
        y, x = np.unravel_index(np.argmax(part), part.shape)
        points.append((left + max(int(x) - 8, 0), top + max(int(y) - 8, 0)))
    return points


def draw(
    image: np.ndarray,
    found: Sequence[Layer],
    fields: Sequence[np.ndarray],
    points: Sequence[tuple[int, int]],
    title: str,
    *,
    corner: tuple[int, int] = (0, 0),
) -> bytes:
    """A PNG: a column a point, a row a layer of the analysis, the receptive field below.

    Crosses are the taps of an ordinary kernel, dots where the groups of channels look instead;
    the larger, the more they count. `corner` is the image's in the one that it was cut from,
    and titles count from there. Needs the extra `jaxlic[eval]`.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    shown = [layer for layer in found if layer.name.startswith(("analysis", "hyper_analysis"))]
    rows = len(shown) + 1
    figure, axes = pyplot.subplots(
        rows, len(points), figsize=(3 * len(points), 3 * rows + 0.4), dpi=110, squeeze=False
    )
    figure.suptitle(title, fontsize=10, parse_math=False)
    for column, (point, field) in enumerate(zip(points, fields, strict=True)):
        for axis, layer in zip(axes[:, column], shown, strict=False):
            _draw_points(axis, image, layer, point)
        axis = axes[-1, column]
        _draw_crop(axis, image, point, 128)
        axis.imshow(np.sqrt(field), cmap="inferno", alpha=0.65, vmin=0, vmax=1)
        x, y = (a + b for a, b in zip(point, corner, strict=True))
        axis.set_title(f"receptive field at {x}, {y}", fontsize=7)
    figure.tight_layout(rect=(0, 0, 1, 0.985))
    out = io.BytesIO()
    figure.savefig(out, format="png")
    pyplot.close(figure)
    return out.getvalue()


def _draw_points(axis, image, layer, point):
    column, row = (n // layer.stride for n in point)
    centre = np.array([row + 0.5, column + 0.5]) * layer.stride - 0.5
    grid = taps(round(layer.weights.shape[-1] ** 0.5)) * layer.stride
    _draw_crop(axis, image, (centre[1], centre[0]), (layer.radius + 2.5) * layer.stride)
    places = centre + grid + layer.offsets[row, column] * layer.stride
    weights = np.abs(layer.weights[row, column])
    colours = np.arange(len(weights))[:, None] + np.zeros_like(weights)
    axis.scatter(
        places[..., 1].ravel(),
        places[..., 0].ravel(),
        s=60 * (weights / weights.max()).ravel(),
        c=colours.ravel(),
        cmap="rainbow",
        edgecolors="black",
        linewidths=0.3,
    )
    axis.plot(centre[1] + grid[:, 1], centre[0] + grid[:, 0], "+", color="white", markersize=9)
    parts = layer.name.split("/")
    numbers = " ".join(p for p in parts if p.startswith(("groups_", "KernelBlock", "blocks_")))
    side = layer.name.partition("_")[0]
    axis.set_title(f"{side} 1/{layer.stride} {numbers}", fontsize=6)


def _draw_crop(axis, image, point, reach):
    axis.imshow(image, interpolation="nearest")
    axis.set_xlim(point[0] - reach, point[0] + reach)
    axis.set_ylim(point[1] + reach, point[1] - reach)
    axis.set_xticks([])
    axis.set_yticks([])


def _inputs(model: Model, image: np.ndarray, quality: float):
    """The linen module, the image as it takes it, padded, and the quality."""
    if not isinstance(model.codec, Codec):
        raise ModelError(f"model {model.id} is a rescaler, and has no dynamic kernels")
    module = build(model.spec)
    if not all(hasattr(module, part) for part in ("analysis", "hyper_analysis", "synthesis")):
        raise ModelError(f"model {model.id} has no dynamic kernels to explain")
    height, width = padded(*image.shape[:2], module.stride)
    pads = ((0, height - image.shape[0]), (0, width - image.shape[1]), (0, 0))
    x = np.pad(image, pads, mode="edge")[None].astype(np.float32) / 255
    return module, jnp.asarray(x), jnp.full(1, quality, jnp.float32)
