"""A reader of latents, written from `docs/bitstream.md` alone; no code of jaxlic is used."""

import gzip
import hashlib
import json
import pathlib
import struct
import zlib

import constriction
import numpy as np
from safetensors.numpy import load as load_weights

Categorical = constriction.stream.model.Categorical
Uniform = constriction.stream.model.Uniform
RangeDecoder = constriction.stream.queue.RangeDecoder
ENTROPY_PATH = (
    "tables/",
    "params/hyper_synthesis/",
    "params/prior/",
    "params/context/",
    "params/refinement_",
)
POSITIONS = {1: [[0, 1, 2, 3]], 2: [[0, 3], [1, 2]], 4: [[0], [3], [1], [2]]}


def need(condition: bool, message: str) -> None:
    """Raise ValueError unless the condition holds."""
    if not condition:
        raise ValueError(message)


# --- The container ---------------------------------------------------------------------------


class Bytes:
    """The bytes of a file, taken from its beginning."""

    def __init__(self, data: bytes):
        self.data, self.at = data, 0

    def take(self, count: int) -> bytes:
        need(self.at + count <= len(self.data), "the file is cut")
        self.at += count
        return self.data[self.at - count : self.at]

    def varint(self) -> int:
        value = shift = 0
        while True:
            (byte,) = self.take(1)
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                need(byte > 0 or shift == 7, "a varint is not in shortest form")
                return value


def parse(data: bytes) -> tuple[dict, list[bytes]]:
    """Return the header's fields, with alpha and profile, and the payload of each tile."""
    file = Bytes(data)
    need(file.take(3) == b"JLC", "not a .jlic file")
    flags, number, fingerprint, quality = struct.unpack("<BB4sH", file.take(8))
    version, grey, coder = flags >> 4, flags >> 3 & 1, flags >> 2 & 1
    need(version in (1, 2) and 100 <= quality <= 10000, "unknown header")
    need(version == 2 or not grey, "no such flag in version 1")
    height, width = file.varint(), file.varint()
    need(0 < height <= 1 << 20 and 0 < width <= 1 << 20, "bad size")
    need(height * width <= 100_000_000, "bad size")
    count = -(-height // 1024) * -(-width // 1024)
    if version == 2:
        need(file.varint() == count, "bad number of tiles")
        need(file.take(1) == b"\1", "levels and floating-point paths are beyond this reader")
    head = data[: file.at]
    tiles = [struct.pack("<BI", 0, n) for n in range(count)]
    extras = [name for name, bit in (("alpha", 1), ("icc", 2)) if flags & bit]
    places = [{"alpha": b"\xff\0\0\0\0", "icc": b"\xff\1\0\0\0"}[name] for name in extras]
    places += tiles
    if version == 1:
        places = [struct.pack("<I", n) for n in range(len(places))]
    payloads = []
    for place in places:
        length = file.varint()
        (checksum,) = struct.unpack("<I", file.take(4))
        payloads.append(file.take(length))
        need(zlib.crc32(head + place + payloads[-1]) == checksum, "a checksum does not match")
    need(file.at == len(data), "bytes after the last payload")
    cut = count if version == 1 else len(extras)
    first, second = payloads[:cut], payloads[cut:]
    extra, tiles = (second, first) if version == 1 else (first, second)
    header = dict(version=version, coder=coder, number=number, fingerprint=fingerprint)
    header |= dict(quality=quality, height=height, width=width, grey=bool(grey))
    return header | dict(zip(extras, extra, strict=True)), tiles


# --- A model's files -------------------------------------------------------------------------


def load(folder: pathlib.Path) -> tuple[dict, dict[str, np.ndarray]]:
    """Return model.json and the arrays of the entropy path, scales applied, in float32."""
    about = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    parent = load(folder.parent / about["parent"])[1] if about.get("parent") else {}
    arrays = {name: array for name, array in parent.items() if name.startswith("params/")}
    stored = load_weights(stored_bytes(folder))
    for name, array in stored.items():
        if name.startswith("params/") and not name.endswith(":scale"):
            array = array.astype(np.float32)
            if f"{name}:scale" in stored:
                array *= stored[f"{name}:scale"]
        if name.startswith(ENTROPY_PATH) and not name.endswith(":scale"):
            arrays[name] = array
    return about, arrays


def stored_bytes(folder: pathlib.Path) -> bytes:
    """Return the weights, inflated if they are a gzip file."""
    small = folder / "weights.safetensors.gz"
    return (
        gzip.decompress(small.read_bytes())
        if small.is_file()
        else (folder / "weights.safetensors").read_bytes()
    )


def fingerprint(folder: pathlib.Path, version: int = 2) -> bytes:
    """Return the four bytes that a file of this version holds for the model."""
    about, arrays = load(folder)
    if version == 1:
        text = about["id"].encode() + b"\0"
        if about.get("parent"):
            text += fingerprint(folder.parent / about["parent"], 1)
        text += stored_bytes(folder)
        return hashlib.sha256(text).digest()[:4]
    free = {
        "pyramid.lapped": ("synthesis_widths", "synthesis_depths"),
        "hyperprior.lapped": ("synthesis_hidden", "synthesis_blocks"),
    }.get(about["builder"], ())
    settings = {name: a for name, a in about["settings"].items() if name not in free}
    text = json.dumps([about["builder"], settings], sort_keys=True).encode()
    for name, array in sorted(arrays.items()):
        about_array = f"{name} {array.dtype.str} {list(array.shape)}"
        text += b"\0" + about_array.encode() + b"\0" + array.tobytes()
    return hashlib.sha256(text).digest()[:4]


# --- Integer layers, on float64 that holds integers below 2^53 -------------------------------


def floor_half(x: np.ndarray) -> np.ndarray:
    """Round to the nearest integer, halves upwards."""
    return np.floor(x.astype(np.float64) + 0.5)


def correlate(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Correlate [R, S, in] with a kernel [k, k, in, out]; beyond the edges is zero."""
    rows, columns, size = *x.shape[:2], len(kernel)
    x = np.pad(x, ((size // 2,) * 2, (size // 2,) * 2, (0, 0)))
    taps = ((a, b) for a in range(size) for b in range(size))
    return sum(x[a : a + rows, b : b + columns] @ kernel[a, b] for a, b in taps)


def weights(kernel: np.ndarray, factor: int) -> np.ndarray:
    """Return a kernel's integers."""
    return np.clip(floor_half(factor * kernel), -255, 255)


def layer(x, arrays, name, i, m, o, r, low, high) -> np.ndarray:
    """Apply an integer layer; the product of bias and factor is rounded to float32."""
    bias = floor_half(np.float32(r * 2 ** (i + 8)) * arrays[f"params/{name}/bias"])
    total = correlate(np.clip(x, -m, m), weights(arrays[f"params/{name}/kernel"], 256)) + bias
    return np.clip(floor_half(total / 2 ** (i + 8 - o)), low, high)


def depth_to_space(x: np.ndarray) -> np.ndarray:
    """Turn [R, S, 4 F] into [2 R, 2 S, F]."""
    rows, columns, depth = x.shape
    x = x.reshape(rows, columns, 2, 2, depth // 4).transpose(0, 2, 1, 3, 4)
    return x.reshape(2 * rows, 2 * columns, depth // 4)


def space_to_depth(x: np.ndarray) -> np.ndarray:
    """Turn [2 R, 2 S, F] into [R, S, 4 F]."""
    rows, columns, depth = x.shape
    x = x.reshape(rows // 2, 2, columns // 2, 2, depth).transpose(0, 2, 1, 3, 4)
    return x.reshape(rows // 2, columns // 2, 4 * depth)


def squash(x: np.ndarray) -> np.ndarray:
    """Return g(x)."""
    a = np.clip(x, -64, 64)
    b = np.clip(x - a, -256, 256)
    c = np.clip(x - a - b, -2032, 2032)
    return a + floor_half(b / 4 + c / 16)


def magnitude(x: np.ndarray) -> np.ndarray:
    """Return m(x)."""
    x = np.abs(x)
    near = 4 * np.clip(x, 0, 16) + np.clip(x - 16, 0, 64)
    return near + floor_half(np.clip(x - 80, 0, 320) / 4 + np.clip(x - 400, 0, 752) / 16)


# --- The entropy coder -----------------------------------------------------------------------


def symbols(decoder: RangeDecoder, arrays: dict, name: str, rows: np.ndarray) -> np.ndarray:
    """Decode one symbol for every element of rows."""
    frequencies, sizes, offsets = (
        arrays[f"tables/{name}/{part}"] for part in ("frequencies", "sizes", "offsets")
    )
    ends, ordinary = np.cumsum(sizes), sizes.astype(np.int64) - 1
    flat = rows.astype(np.int64).ravel()
    found = np.empty(flat.size, np.int64)
    for row in np.unique(flat):
        which = np.flatnonzero(flat == row)
        chances = frequencies[ends[row] - sizes[row] : ends[row]].astype(np.float64) / 2**16
        try:
            found[which] = decoder.decode(Categorical(chances, perfect=False), which.size)
        except AssertionError as error:
            raise ValueError("a payload is damaged") from error
    escaped = np.flatnonzero(found == ordinary[flat])
    if escaped.size:
        lengths = decoder.decode(Uniform(23), escaped.size).astype(np.int64)
        need(lengths.min() > 0, "an escape without bits")
        excess = (1 << lengths - 1) - 1
        for length in range(2, 23):
            which = np.flatnonzero(lengths == length)
            if which.size:
                excess[which] += decoder.decode(Uniform(1 << (length - 1)), which.size)
        above = ordinary[flat[escaped]] + excess // 2
        found[escaped] = np.where(excess % 2, -(excess + 1) // 2, above)
    found += offsets[flat]
    need(np.abs(found).max() <= 1 << 20, "a symbol out of range")
    return found.reshape(rows.shape).astype(np.float64)


def read_tile(payload: bytes, rows: int, columns: int, quality: int, about, arrays):
    """Decode the latents of a tile of this many rows and columns of pixels."""
    need(len(payload) % 4 == 0, "a payload is not whole words")
    decoder = RangeDecoder(np.frombuffer(payload, "<u4").astype(np.uint32))

    def q(n):
        return (quality - 5050) * n // 9900

    def with_quality(x):
        return np.concatenate([x, np.full((*x.shape[:2], 1), q(24))], -1)

    channels = len(arrays["tables/factorized/sizes"])
    z_rows = np.broadcast_to(np.arange(channels), (rows // 64, columns // 64, channels))
    z = symbols(decoder, arrays, "factorized", z_rows)
    x = layer(with_quality(z), arrays, "hyper_synthesis/up_0", 0, 127, 5, 1, 0, 255)
    x = layer(depth_to_space(x), arrays, "hyper_synthesis/up_1", 5, 255, 5, 1, 0, 255)
    x = depth_to_space(x)
    mean = layer(x, arrays, "hyper_synthesis/mean", 5, 255, 4, 1, -(2**14), 2**14)
    index = layer(x, arrays, "hyper_synthesis/index", 5, 255, 3, 10, -64, 128)
    index = np.clip(index + q(29 if about["builder"].startswith("pyramid.") else 19), 0, 63)
    passes = about["settings"].get("passes", (4, 2, 2, 2, 2))
    if about["builder"].startswith("hyperprior.") or not passes:
        return mean / 16 + symbols(decoder, arrays, "gaussian", index)
    learned = about["builder"] == "dkic.convolutional"
    slices = (16, 16, 32, 64, 192) if learned else (3, 13, 48, 64, 192)
    slices = about["settings"].get("slices", slices)
    mean, rest_mean = mean[..., : sum(slices)], mean[..., sum(slices) :]
    index, rest_index = index[..., : sum(slices)], index[..., sum(slices) :]
    x = with_quality(space_to_depth(x))
    known = [layer(x, arrays, "context/summarise/conv", 5, 255, 5, 1, 0, 255)]
    cells = (*known[0].shape[:2], 4, -1)
    means, indices = (space_to_depth(x).reshape(cells) for x in (mean, index))
    y, first, k, begin = np.empty(means.shape), [], 0, 0
    sizes, magnitudes = [], about["settings"].get("magnitudes", False)
    for number, (size, steps) in enumerate(zip(slices, passes, strict=True)):
        for positions in POSITIONS[steps]:
            here = (slice(None), slice(None), positions, slice(begin, begin + size))
            name, flat = f"context/refine_{k}", (*cells[:2], -1)
            m, i = means[here].reshape(flat), indices[here].reshape(flat)
            x = np.concatenate(known + sizes, -1)
            x = layer(x, arrays, f"{name}/conv", 5, 255, 5, 1, 0, 255)
            step_mean = m + layer(x, arrays, f"{name}/mean", 5, 255, 4, 1, -4096, 4096)
            step_index = i + layer(x, arrays, f"{name}/index", 5, 255, 3, 10, -64, 64)
            if first:
                x = np.clip(np.concatenate(first, -1), -8192, 8192)
                kernel = weights(arrays[f"params/{name}/linear/kernel"], 128)
                step_mean += floor_half(correlate(x, kernel) / 128)
            step_mean = np.clip(step_mean, -(2**15), 2**15) / 16
            s = symbols(decoder, arrays, "gaussian", np.clip(step_index, 0, 63))
            y[here] = (step_mean + s).reshape(y[here].shape)
            if number < 2 or not magnitudes:
                known.append(squash(16 * s))
            if magnitudes:
                sizes.append(magnitude(16 * s))
            if number == 0:
                first.append(16 * (step_mean + s) - m)
            k += 1
        begin += size
    y = depth_to_space(y.reshape(*cells[:2], -1))
    if not rest_mean.shape[-1]:
        return y
    rest = rest_mean / 16 + symbols(decoder, arrays, "gaussian", rest_index)
    return np.concatenate([y, rest], axis=-1)


def read(data: bytes, folder: pathlib.Path) -> tuple[dict, np.ndarray]:
    """Return a file's header and its latents [H / 16, W / 16, C], of the model in folder."""
    header, payloads = parse(data)
    need(header["coder"] == 0, "coder 1 is beyond this reader")
    need(header["fingerprint"] == fingerprint(folder, header["version"]), "another model")
    about, arrays = load(folder)
    height, width = (-(-header[side] // 64) * 64 for side in ("height", "width"))
    corners = [(a, b) for a in range(0, height, 1024) for b in range(0, width, 1024)]
    latents = None
    for (a, b), payload in zip(corners, payloads, strict=True):
        rows, columns = min(1024, height - a), min(1024, width - b)
        y = read_tile(payload, rows, columns, header["quality"], about, arrays)
        if latents is None:
            latents = np.empty((height // 16, width // 16, y.shape[-1]), np.float32)
        latents[a // 16 : (a + rows) // 16, b // 16 : (b + columns) // 16] = y
    return header, latents
