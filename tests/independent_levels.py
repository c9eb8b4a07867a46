"""A reader of files in levels, written from `docs/bitstream.md` alone, without jaxlic."""

import math
import pathlib
import zlib

import numpy as np

from tests.independent_reader import (
    POSITIONS,
    Bytes,
    RangeDecoder,
    correlate,
    depth_to_space,
    floor_half,
    layer,
    load,
    magnitude,
    need,
    space_to_depth,
    squash,
    symbols,
    weights,
)


def parse(data: bytes) -> tuple[int, int, int, int, list[bytes]]:
    """Return height, width, quality, levels and the whole payloads of a file of one tile."""
    file = Bytes(data)
    need(file.take(3) == b"JLC" and file.take(1) == b"\x20", "not a plain .jlic file")
    file.take(5)
    quality = int.from_bytes(file.take(2), "little")
    height, width = file.varint(), file.varint()
    need(file.varint() == 1, "several tiles are beyond this reader")
    (levels,) = file.take(1)
    head, payloads = data[: file.at], []
    for level in range(levels):
        try:
            length, checksum = file.varint(), file.take(4)
            payload = file.take(length)
        except ValueError:
            break
        place = bytes([level]) + bytes(4)
        found = zlib.crc32(head + place + payload)
        need(found.to_bytes(4, "little") == checksum, "a checksum does not match")
        payloads.append(payload)
    need(bool(payloads), "the file is cut")
    return height, width, quality, levels, payloads


def philox(seed: int, counter: list[int]) -> list[int]:
    """Return the four words of Philox4x32-10 in Python's integers."""
    low, high, mask = seed % 2**32, seed >> 32, 2**32 - 1
    a, b, c, d = counter
    for _ in range(10):
        left, right = 0xD2511F53 * a, 0xCD9E8D57 * c
        a, b, c, d = (right >> 32) ^ b ^ low, right & mask, (left >> 32) ^ d ^ high, left & mask
        low, high = (low + 0x9E3779B9) & mask, (high + 0xBB67AE85) & mask
    return [a, b, c, d]


class Symbols:
    """Symbols of a pass: of its level's payload, or drawn."""

    def __init__(self, payloads, arrays, sampler, seed, member):
        need(all(len(p) % 4 == 0 for p in payloads), "a payload is not whole words")
        self.decoders = [
            RangeDecoder(np.frombuffer(p, "<u4").astype(np.uint32)) for p in payloads
        ]
        self.arrays, self.sampler, self.seed, self.member = arrays, sampler, seed, member
        self.number = 0

    def __call__(self, level: int, table: str, rows: np.ndarray) -> np.ndarray:
        number, self.number = self.number, self.number + 1
        if level < len(self.decoders):
            return symbols(self.decoders[level], self.arrays, table, rows)
        if self.sampler == "mean":
            return np.where(rows > 63, 0.5, 0.0)
        flat = rows.astype(int).ravel()
        drawn = [self._one(table, int(row), e, number) for e, row in enumerate(flat)]
        return np.array(drawn, np.float64).reshape(rows.shape)

    def _one(self, table, row, e, number):
        u = philox(self.seed, [e // 4, number, 0, self.member])[e % 4] >> 16
        sizes = self.arrays[f"tables/{table}/sizes"]
        begin = int(sizes[:row].sum())
        entries = self.arrays[f"tables/{table}/frequencies"][begin : begin + int(sizes[row])]
        f, first = [int(n) for n in entries], int(self.arrays[f"tables/{table}/offsets"][row])
        if self.sampler == "uniform":
            half = int(row > 63)
            squares = sum(n * (2 * (first + k) - half) ** 2 for k, n in enumerate(f[:-1]))
            width = math.isqrt(3 * squares // 4)
            return (width * (2 * u + 1 - 2**16) + (1 + half) * 2**23) // 2**24
        k, total = 0, f[0]
        while total <= u:
            k += 1
            total += f[k]
        return 0 if k == len(f) - 1 or f[k] == 1 else first + k


def read(
    data: bytes, folder: pathlib.Path, sampler: str = "mean", seed: int = 0, member: int = 0
) -> np.ndarray:
    """Return the latents [H / 16, W / 16, C] of a file of one tile, in its finest steps."""
    about, arrays = load(folder)
    height, width, quality, _, payloads = parse(data)
    rows, columns = (-(-n // 64) * 64 for n in (height, width))
    take, low = Symbols(payloads, arrays, sampler, seed, member), max(quality - 3150, 100)

    def q(n, quality):
        return (quality - 5050) * n // 9900

    def with_level(x, quality):
        return np.concatenate([x, np.full((*x.shape[:2], 1), q(24, quality))], -1)

    def hidden(x, name):
        return layer(x, arrays, name, 5, 255, 5, 1, 0, 255)

    channels = len(arrays["tables/factorized/sizes"])
    z_rows = np.broadcast_to(np.arange(channels), (rows // 64, columns // 64, channels))
    z = with_level(take(0, "factorized", z_rows), low)
    x = layer(z, arrays, "hyper_synthesis/up_0", 0, 127, 5, 1, 0, 255)
    features = depth_to_space(hidden(depth_to_space(x), "hyper_synthesis/up_1"))
    mean = layer(features, arrays, "hyper_synthesis/mean", 5, 255, 4, 1, -(2**14), 2**14)
    index = layer(features, arrays, "hyper_synthesis/index", 5, 255, 3, 10, -64, 128)
    index = np.clip(index + q(29, low), 0, 63)
    known = [hidden(with_level(space_to_depth(features), low), "context/summarise/conv")]
    cells = (*known[0].shape[:2], 4, -1)
    means, indices = (space_to_depth(a).reshape(cells) for a in (mean, index))
    coarse, coarse_symbols, coarse_rows = (np.empty(means.shape) for _ in range(3))
    first, k, begin, level = [], 0, 0, -1
    settings = about["settings"]
    sizes, magnitudes = [], settings.get("magnitudes", False)
    slices = settings.get("slices", (3, 13, 48, 64, 192))
    passes = settings.get("passes", (4, 2, 2, 2, 2))
    for number, (size, steps) in enumerate(zip(slices, passes, strict=True)):
        for step, positions in enumerate(POSITIONS[steps]):
            level += step % 2 == 0
            here = (slice(None), slice(None), positions, slice(begin, begin + size))
            name, flat = f"context/refine_{k}", (*cells[:2], -1)
            m, i = means[here].reshape(flat), indices[here].reshape(flat)
            x = hidden(np.concatenate(known + sizes, -1), f"{name}/conv")
            own = m + layer(x, arrays, f"{name}/mean", 5, 255, 4, 1, -4096, 4096)
            row = np.clip(i + layer(x, arrays, f"{name}/index", 5, 255, 3, 10, -64, 64), 0, 63)
            if first:
                x = np.clip(np.concatenate(first, -1), -8192, 8192)
                kernel = weights(arrays[f"params/{name}/linear/kernel"], 128)
                own += floor_half(correlate(x, kernel) / 128)
            own = np.clip(own, -(2**15), 2**15) / 16
            s = take(level, "gaussian", row)
            for a, value in ((coarse, own + s), (coarse_symbols, s), (coarse_rows, row)):
                a[here] = value.reshape(a[here].shape)
            if number < 2 or not magnitudes:
                known.append(squash(16 * s))
            if magnitudes:
                sizes.append(magnitude(16 * s))
            if number == 0:
                first.append(16 * (own + s) - m)
            k += 1
        begin += size
    c, s, row = (
        depth_to_space(a.reshape(*cells[:2], -1)) for a in (coarse, coarse_symbols, coarse_rows)
    )
    for plane in range(settings.get("planes", 2)):
        name = f"refinement_{plane}"
        x = with_level(np.concatenate([features, squash(16 * s)], -1), quality)
        x = hidden(hidden(x, f"{name}/join"), f"{name}/conv")
        near, far, width = (
            np.clip(floor_half(n * arrays[f"params/{name}/{factor}/factor"]), -255, 255)
            for n, factor in ((16, "near"), (16, "far"), (8, "half_index"))
        )
        own = layer(x, arrays, f"{name}/mean", 5, 255, 4, 1, -32, 32)
        own += near * np.sign(s) + far * np.sign(s) * (np.abs(s) >= 2)
        own = np.clip(own, -32, 32) / 16
        row = np.where(s == 0, np.clip(row % 64 + 6, 0, 16), width)
        row = row + layer(x, arrays, f"{name}/index", 5, 255, 3, 10, -64, 64)
        row = np.clip(row, 0, 63) + 64 * (s != 0)
        symbol, begin = np.empty(c.shape), 0
        for size in settings.get("groups", (64, 256)):
            level += 1
            part = (..., slice(begin, begin + size))
            symbol[part] = take(level, "refinement", row[part])
            begin += size
        side = np.where(s < 0, -1, 1)
        c, s = 2 * c + own + side * symbol, 2 * s + side * np.floor(symbol)
    return c.astype(np.float32)
