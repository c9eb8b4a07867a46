"""HEVC and VVC through a user's own `ffmpeg`: still pictures as raw elementary streams.

Colours go through BT.601 in full range and ten bits, converted here and not by ffmpeg: in 4:4:4
nothing is lost but by the codec. vvenc has 4:2:0 alone; its chroma is reduced and enlarged
bicubically. Bytes are those of the stream with its parameter sets, no container around it.
Width and height are padded to multiples of eight; a reader must know the size.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile

import jax.numpy as jnp
import numpy as np

from jaxlic.errors import ImageError, one_line
from jaxlic.files import disk
from jaxlic.ops import colour, resize

# By name how ffmpeg encodes: intra alone, for squared error, at a slow preset.
_X265 = "log-level=none:info=0:keyint=1:range=full:colormatrix=bt470bg"
# A sample of halved chroma counts for four pixels: finer steps there take 5 % fewer bits at
# equal PSNR of RGB.
_VVENC = "CbQpOffset=-4:CrQpOffset=-4"
CODECS: dict[str, tuple[str, ...]] = {
    "hevc": ("libx265", "-preset", "veryslow", "-tune", "psnr", "-x265-params", _X265),
    "vvc": ("libvvenc", "-preset", "medium", "-qpa", "0", "-vvenc-params", _VVENC),
}
_MAX_QP = {"hevc": 51, "vvc": 63}
_PIXELS = {"hevc": "yuv444p10le", "vvc": "yuv420p10le"}
_SCALE, _CENTRE, _MAX = 1023 / 255, 512.0, 1023.0
_MULTIPLE = 8
_PROBE = 64  # Pixels a side.
_SECONDS, _SECONDS_A_MEGAPIXEL = 60.0, 600.0


def qp_of(codec: str, quality: int) -> int:
    """The QP of a quality, which is the largest QP less it: more is better, as elsewhere.

    Raises:
        ImageError: if it is not in 0 to 51 ("hevc") or 0 to 63 ("vvc").
    """
    largest = _MAX_QP[codec]
    if not 0 <= quality <= largest:
        raise ImageError(f"quality of {codec} must be 0 to {largest}, got {quality}")
    return largest - quality


def encode(rgb: np.ndarray, codec: str, quality: int) -> bytes:
    """The elementary stream of an image.

    Args:
        rgb: uint8 `[H, W, 3]`.
        codec: "hevc" (x265, 4:4:4, preset veryslow, tuned for PSNR) or "vvc" (vvenc, 4:2:0,
            preset medium, no perceptual quantisation, finer steps in chroma).
        quality: as `qp_of` says.

    Raises:
        ImageError: if there is no ffmpeg, it cannot, or it takes longer than a minute and ten
            more a megapixel.
    """
    qp = qp_of(codec, quality)
    height, width = _padded(rgb.shape[:2])
    name, *settings = CODECS[codec]
    if codec == "hevc":
        settings[-1] += f":qp={qp}"
    else:
        settings += ["-qp", str(qp)]
    raw = ["-f", "rawvideo", "-pix_fmt", _PIXELS[codec], "-s", f"{width}x{height}"]
    encoding = ["-frames:v", "1", "-c:v", name, *settings, "-f", codec, "pipe:1"]
    data = _run([*raw, "-i", "pipe:0", *encoding], _planes(rgb, codec), height * width)
    if not data:
        raise ImageError(f"ffmpeg wrote no {codec}")
    return data


def decode(data: bytes, codec: str, size: tuple[int, int]) -> np.ndarray:
    """The pixels of what `encode` wrote of an image of `size` (H, W), uint8 `[H, W, 3]`.

    Raises:
        ImageError: as `encode` does, or if there are more or fewer pixels.
    """
    height, width = _padded(size)
    raw = ["-f", "rawvideo", "-pix_fmt", _PIXELS[codec], "pipe:1"]
    planes = _run(["-f", codec, "-i", "pipe:0", *raw], data, height * width)
    samples = height * width * 3 // (1 if codec == "hevc" else 2)
    if len(planes) != 2 * samples:
        raise ImageError(f"ffmpeg decoded {codec} to another size")
    return _rgb(np.frombuffer(planes, "<u2"), codec, (height, width))[: size[0], : size[1]]


def encoder(codec: str) -> str:
    """Who encodes: the program's version and its settings. A small image is tried out.

    Raises:
        ImageError: if there is no ffmpeg, or it cannot encode and decode that.
    """
    grey = np.full((_PROBE, _PROBE, 3), 128, np.uint8)
    try:
        back = decode(encode(grey, codec, _MAX_QP[codec] // 2), codec, grey.shape[:2])
    except ImageError as error:
        raise ImageError(f"needs an ffmpeg with {CODECS[codec][0]} ({error})") from error
    if np.abs(back.astype(int) - grey).max() > 8:
        raise ImageError(f"this ffmpeg decodes {codec} to other colours")
    return f"{_version()} {' '.join(CODECS[codec])}"


def _version() -> str:
    first = _call([_program(), "-version"], b"", _SECONDS).partition(b"\n")[0]
    return first.decode(errors="replace").partition(" Copyright")[0]


def _planes(rgb: np.ndarray, codec: str) -> bytes:
    """Luma and both chromas after each other, ten bits in two bytes."""
    (height, width), (h, w) = rgb.shape[:2], _padded(rgb.shape[:2])
    rgb = np.pad(rgb, ((0, h - height), (0, w - width), (0, 0)), mode="edge")
    x = np.asarray(colour.rgb_to_ycbcr(rgb / np.float32(255))) * np.float32(_SCALE)
    x[..., 1:] += _CENTRE - 128 * _SCALE
    planes = [x[..., 0], x[..., 1], x[..., 2]]
    if codec == "vvc":
        chroma = np.asarray(resize.bicubic_down(jnp.asarray(x[None, ..., 1:]), 2))[0]
        planes[1:] = [chroma[..., 0], chroma[..., 1]]
    return b"".join(np.clip(np.rint(p), 0, _MAX).astype("<u2").tobytes() for p in planes)


def _rgb(samples: np.ndarray, codec: str, size: tuple[int, int]) -> np.ndarray:
    """The inverse of `_planes`."""
    n = size[0] * size[1]
    if codec == "vvc":
        half = samples[n:].reshape(1, 2, size[0] // 2, size[1] // 2).astype(np.float32)
        half = jnp.asarray(half.transpose(0, 2, 3, 1))
        chroma = np.asarray(resize.bicubic_up(half, 2))[0]
    else:
        chroma = samples[n:].reshape(2, *size).astype(np.float32).transpose(1, 2, 0)
    x = np.concatenate([samples[:n].reshape(*size, 1).astype(np.float32), chroma], -1)
    x[..., 1:] -= _CENTRE - 128 * _SCALE
    rgb = np.asarray(colour.ycbcr_to_rgb(x / np.float32(_SCALE)))
    return np.rint(np.clip(255 * rgb, 0, 255)).astype(np.uint8)


def _padded(size: tuple[int, ...]) -> tuple[int, int]:
    height, width = (-(-side // _MULTIPLE) * _MULTIPLE for side in size)
    return height, width


def _program() -> str:
    found = shutil.which("ffmpeg")
    if found is None:
        raise ImageError("there is no program ffmpeg on the PATH")
    return found


def _run(arguments: list[str], data: bytes, pixels: int) -> bytes:
    command = [_program(), "-hide_banner", "-nostdin", "-v", "error", *arguments]
    return _call(command, data, _SECONDS + _SECONDS_A_MEGAPIXEL * pixels / 1e6)


def _call(command: list[str], data: bytes, seconds: float) -> bytes:
    """What a program writes of what it is given, through files that have no name.

    Files rather than pipes: a child of the program that lives on cannot keep us waiting.
    """
    with (
        tempfile.TemporaryFile() as given,
        tempfile.TemporaryFile() as out,
        tempfile.TemporaryFile() as heard,
    ):
        given.write(data)
        given.seek(0)
        try:
            process = subprocess.Popen(
                command, stdin=given, stdout=out, stderr=heard, start_new_session=True
            )
        except OSError as error:
            raise ImageError(f"ffmpeg cannot be started ({error.strerror})") from error
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired as error:
            raise ImageError(f"ffmpeg was stopped after {seconds:.0f} seconds") from error
        finally:  # Also if a user interrupts.
            _end(process)
        if code:
            heard.seek(0)
            text = heard.read(4096).decode(errors="replace")
            raise ImageError(f"ffmpeg failed: {one_line(ValueError(text))}")
        out.seek(0)
        return disk.read_bounded(out, "what ffmpeg wrote")


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ends a program that runs, and on POSIX what it started."""
    if process.poll() is not None:
        return
    with contextlib.suppress(OSError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        process.kill()
    process.wait()
