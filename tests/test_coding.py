"""The way of an image, for codecs of any kind."""

import concurrent.futures

import jax.numpy as jnp
import numpy as np
import pytest

import jaxlic
from jaxlic import coding
from jaxlic.core import Codec, Geometry, Reconstruction
from jaxlic.entropy.detail import Detail
from jaxlic.errors import BitstreamError
from jaxlic.ops import tiling

QUALITY = 50.0


def _layered() -> Codec:
    """A codec of two levels: means of 2x2 pixels, then what is left, or else drawn noise."""

    def analyse(params, windows, quality, size):
        x = jnp.asarray(windows, jnp.float32)
        n, h, w, _ = x.shape
        x = x.reshape(n, h // 2, 2, w // 2, 2, 3).transpose(0, 1, 3, 2, 4, 5)
        cells = x.reshape(n, h // 2, w // 2, 4, 3)
        mean = jnp.floor(cells.mean(axis=3, keepdims=True))
        return jnp.concatenate([mean, cells - mean], axis=3).reshape(n, h // 2, w // 2, 15)

    def encode(params, tables, y, quality, range_coder):
        return [y[..., :3].astype("<i2").tobytes(), y[..., 3:].astype("<i2").tobytes()]

    def decode(params, tables, payloads, quality, shape, range_coder, detail=None):
        first = np.frombuffer(payloads[0], "<i2").reshape(*shape, 3)
        if len(payloads) > 1:
            rest = np.frombuffer(payloads[1], "<i2").reshape(*shape, 12)
        elif detail is None:
            rest = np.zeros((*shape, 12))
        else:
            own = np.random.default_rng([detail.seed, detail.tile])
            rest = own.integers(-4, 5, (*shape, 12))
        return np.concatenate([first, rest], axis=-1).astype(np.float32)

    def synthesise(params, windows, quality, size, level=None):
        y = jnp.asarray(windows)
        n, h, w, _ = y.shape
        cells = (y[..., None, :3] + y[..., 3:].reshape(n, h, w, 4, 3)).reshape(n, h, w, 2, 2, 3)
        x = cells.transpose(0, 1, 3, 2, 4, 5).reshape(n, 2 * h, 2 * w, 3)
        return jnp.clip(x, 0, 255).astype(jnp.uint8)

    return Codec(
        init=lambda image, key: {},
        forward=lambda params, image, quality, key: Reconstruction(image, {}, {}),
        analyse=analyse,
        encode=encode,
        decode=decode,
        synthesise=synthesise,
        tables=lambda params: {},
        check=lambda params: (0.0, params),
        geometry=Geometry(stride=2, latent_stride=2, latents=15, halo=0, levels=2),
    )


@pytest.mark.parametrize("shape", [(5, 7), (64, 130), (190, 255)])
def test_levels_come_back_whole_or_as_far_as_they_are_there(photo, shape):
    codec, image = _layered(), photo[: shape[0], : shape[1]]
    payloads = coding.compress(codec, {}, {}, image, QUALITY, edge=64)
    assert len(payloads) == -(-shape[0] // 64) * -(-shape[1] // 64)
    back = coding.decompress(codec, {}, {}, payloads, shape, QUALITY, edge=64)
    np.testing.assert_array_equal(back, image)

    first = [tile[:1] for tile in payloads]
    mean = coding.decompress(codec, {}, {}, first, shape, QUALITY, edge=64)
    drawn = [
        coding.decompress(
            codec, {}, {}, first, shape, QUALITY, edge=64, detail=Detail(seed=seed)
        )
        for seed in (1, 1, 2)
    ]
    assert 0 < np.abs(mean.astype(int) - image).mean() < 40
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert np.any(drawn[0] != drawn[2]) and np.any(drawn[0] != mean)


def test_tiles_draw_detail_of_their_own(photo):
    codec, image = _layered(), np.full((128, 64, 3), 100, np.uint8)
    first = [tile[:1] for tile in coding.compress(codec, {}, {}, image, QUALITY, edge=64)]
    back = coding.decompress(codec, {}, {}, first, (128, 64), QUALITY, edge=64, detail=Detail())
    assert np.any(back[:64] != back[64:])


def test_images_of_a_batch_have_the_payloads_that_they_have_alone(tiny, photo):
    codec, params, tables = tiny
    images = [photo, photo[:65, :130], photo[10:, 10:], photo[:128, :128], photo[:1, :1]]
    qualities = [40.0, 90.0, 50.5, 3.0, 77.0]
    together = coding.compress_batch(codec, params, tables, images, qualities)
    for image, quality, payloads in zip(images, qualities, together, strict=True):
        assert payloads == coding.compress(codec, params, tables, image, quality)


def test_batches_of_other_counts_and_threads_change_no_byte(tiny, photo):
    codec, params, tables = tiny
    seen = []

    def analyse(params, windows, quality, size):
        seen.append(len(windows))
        return codec.analyse(params, windows, quality, size)

    images = [photo[i : i + 64, : 60 + i] for i in range(11)]
    alone = coding.compress_batch(codec, params, tables, images, [40.0] * 11, counts=(1,))
    watched = codec._replace(analyse=analyse)
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        together = coding.compress_batch(
            watched, params, tables, images, [40.0] * 11, counts=(8, 1), pool=pool
        )
    assert together == alone and seen == [8, 1, 1, 1]


def test_images_of_equal_windows_are_served_by_what_is_warm(tiny, photo):
    codec, params, tables = tiny
    assert coding.buffers(codec, (100, 90)) == coding.buffers(codec, (64, 128)) == {(128, 128)}
    halo = codec.geometry.halo
    assert coding.buffers(codec, (2000, 1500)) == {
        (1024 + 2 * halo, n) for n in (1024 + 2 * halo, 768)
    }
    shapes = []

    def analyse(params, windows, quality, size):
        shapes.append(windows.shape)
        return codec.analyse(params, windows, quality, size)

    watched = codec._replace(analyse=analyse)
    coding.warm(watched, params, tables, [(128, 128)], counts=(2, 1), decode=True)
    warm = set(shapes)
    assert warm == {(2, 128, 128, 3), (1, 128, 128, 3)}
    coding.compress_batch(
        watched, params, tables, [photo[:90, :99]] * 3, [40.0] * 3, counts=(2, 1)
    )
    assert set(shapes) == warm


def test_windows_of_any_number_are_analysed_as_if_alone(tiny, photo):
    codec, params, _ = tiny
    windows = np.stack([photo[i : i + 128, i : i + 128] for i in range(8)])
    quality, size = np.linspace(1, 100, 8, dtype=np.float32), np.full((8, 2), 128, np.int32)
    whole = np.asarray(codec.analyse(params, windows, quality, size))
    for i in range(8):
        one = slice(i, i + 1)
        alone = codec.analyse(params, windows[one], quality[one], size[one])
        np.testing.assert_array_equal(alone[0], whole[i])
    y_hat = np.round(whole)
    whole = np.asarray(codec.synthesise(params, y_hat, quality, size))
    for i in range(0, 8, 2):
        two = slice(i, i + 2)
        some = codec.synthesise(params, y_hat[two], quality[two], size[two])
        np.testing.assert_array_equal(some, whole[two])


def test_a_batch_keeps_few_windows_in_memory(tiny, photo, monkeypatch):
    codec, params, tables = tiny
    seen = []

    def analyse(params, windows, quality, size):
        seen.append(windows.shape)
        return codec.analyse(params, windows, quality, size)

    images = [photo[:64, :64]] * 45
    watched = codec._replace(analyse=analyse)
    coding.compress_batch(watched, params, tables, images, [50.0] * 45)
    assert [shape[0] for shape in seen] == [8] * 4 + [8, 4, 1]
    assert len({shape[1:] for shape in seen}) == 1


def test_payloads_of_another_image_do_not_decode(tiny, photo):
    codec, params, tables = tiny
    payloads = coding.compress(codec, params, tables, photo[:64, :64], QUALITY)
    with pytest.raises(BitstreamError):
        coding.latents(codec, params, tables, payloads, (192, 256), QUALITY)


def test_the_library_is_safe_in_threads(photo):
    codec = jaxlic.load("base")
    jobs = [(photo[: 40 + 9 * i, : 50 + 7 * i], 10.0 + 8 * i) for i in range(8)]
    alone = [codec.compress(image, quality) for image, quality in jobs]
    back = [codec.decompress(data) for data in alone]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda job: codec.compress(*job), jobs * 2))
        images = list(pool.map(codec.decompress, alone * 2))
    assert together == alone * 2
    for a, b in zip(images, back * 2, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_tile_and_its_window_shrink_together():
    (tile,) = list(tiling.tiles(128, 256, 64))
    assert tile.shrunk(16).shape == (8, 16) and tile.window_shape == (128, 256)
