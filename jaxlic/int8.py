"""The synthesis in int8, for ONNX runtimes: calibrated on photographs, and measured on one.

What is quantised are convolutions of 3x3, those of the residual networks: weights to 8 bits a
channel, activations to 8 bits with ranges from the photographs (QDQ). The lapped transforms
stay float32, for the picture itself goes through them and 8 bits of it would show. The entropy
path is in integers of its own, on the host, and is never touched: latents stay exact.
"""

from __future__ import annotations

import pathlib
import tempfile
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxlic.api import ImageCodec
from jaxlic.errors import ModelError, one_line
from jaxlic.metrics.scores import psnr
from jaxlic.ops.tiling import Pair

QUALITIES = (10.0, 30.0, 50.0, 70.0, 90.0)
_KERNEL = 3


class Example(NamedTuple):
    """An input of the synthesis, and the photograph that it is of, uint8 `[H, W, 3]`."""

    arrays: dict[str, np.ndarray]
    photo: np.ndarray


class Loss(NamedTuple):
    """What int8 costs, over examples.

    Attributes:
        levels: the largest difference to float32, in levels of 255.
        mean: the mean of the absolute differences.
        db: PSNR lost against the photographs, the mean, and where it is the most.
    """

    levels: int
    mean: float
    db: float
    worst_db: float


def examples(codec: ImageCodec, photos: Sequence[np.ndarray], shape: Pair) -> list[Example]:
    """Latents of the middle `[H, W]` of each photograph, at five qualities.

    Raises:
        ModelError: if a photograph is smaller than `shape`.
    """
    found = []
    for photo in photos:
        if photo.shape[0] < shape[0] or photo.shape[1] < shape[1]:
            size = f"{photo.shape[1]}x{photo.shape[0]}"
            raise ModelError(f"a photograph of {size} is smaller than {shape[1]}x{shape[0]}")
        top, left = ((n - m) // 2 for n, m in zip(photo.shape, shape, strict=False))
        crop = np.ascontiguousarray(photo[top : top + shape[0], left : left + shape[1]])
        for quality in QUALITIES:
            latent = codec.latents(codec.compress(crop, quality=quality))
            arrays = {"latent": latent[None], "quality": np.full(1, quality, np.float32)}
            found.append(Example(arrays, crop))
    return found


def quantised(onnx: bytes, calibration: Sequence[Example]) -> bytes:
    """The ONNX program with its 3x3 convolutions in int8 (QDQ, ranges from `calibration`).

    Raises:
        ModelError: if onnxruntime's tools are missing, or there is nothing to quantise.
    """
    try:
        import onnx as format_  # ty: ignore[import-not-found] - of an extra
        from onnxruntime import quantization  # ty: ignore[import-not-found] - of an extra
        from onnxruntime.quantization import shape_inference  # ty: ignore[import-not-found] - of an extra
    except ImportError as error:
        raise ModelError(
            "int8 needs the packages onnx and onnxruntime: pip install jaxlic[export]"
        ) from error

    class Reader(quantization.CalibrationDataReader):
        """The examples, once."""

        def __init__(self):
            self._left = iter(calibration)

        def get_next(self):
            example = next(self._left, None)
            return None if example is None else example.arrays

    with tempfile.TemporaryDirectory() as folder:
        names = ("in.onnx", "folded.onnx", "out.onnx")
        source, folded, target = (pathlib.Path(folder) / name for name in names)
        source.write_bytes(onnx)
        try:
            # Kernels are transposed in the graph, and are constants only once that is folded.
            shape_inference.quant_pre_process(source, folded, skip_symbolic_shape=True)
            nodes = _small(format_.load(str(folded)).graph)
            if not nodes:
                raise ModelError("has no 3x3 convolutions, there is nothing to quantise")
            quantization.quantize_static(
                folded,
                target,
                Reader(),
                quant_format=quantization.QuantFormat.QDQ,
                nodes_to_quantize=nodes,
                per_channel=True,
                activation_type=quantization.QuantType.QUInt8,
                weight_type=quantization.QuantType.QInt8,
            )
        except (ValueError, RuntimeError) as error:
            raise ModelError(f"cannot be quantised ({one_line(error)})") from error
        return target.read_bytes()


def compare(onnx: bytes, int8: bytes, held_out: Sequence[Example], output: str) -> Loss:
    """Runs both programs on examples that were not calibrated on."""
    import onnxruntime  # ty: ignore[import-not-found] - of an extra

    def session(data: bytes) -> Any:
        return onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])

    sessions = [session(data) for data in (onnx, int8)]
    most, means, lost = 0, [], []
    for example in held_out:
        (a,), (b,) = (s.run([output], example.arrays) for s in sessions)
        gap = np.abs(a.astype(int) - b)
        most, means = max(most, int(gap.max())), [*means, float(gap.mean())]
        lost.append(psnr(a[0], example.photo) - psnr(b[0], example.photo))
    return Loss(most, float(np.mean(means)), float(np.mean(lost)), float(max(lost)))


def _small(graph: Any) -> list[str]:
    """Names of the convolutions whose kernel is 3x3."""
    shapes = {a.name: tuple(a.dims) for a in graph.initializer}

    def taps(node):
        for attribute in node.attribute:
            if attribute.name == "kernel_shape":
                return tuple(attribute.ints)
        return shapes.get(node.input[1], ())[2:]

    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    return [node.name for node in convolutions if taps(node) == (_KERNEL, _KERNEL)]
