"""The channel: real files going forward, the simulator's gradient going back."""

import io
import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from jaxlic.ops.jpeg import jpeg
from jaxlic.rescaling.channel import channel

QUALITY = jnp.array([40.0, 80.0])


@pytest.fixture
def pair(photo):
    stacked = np.stack([photo[:64, :64], photo[64:128, 32:96]])
    return jnp.asarray(stacked, jnp.float32) / 255


def _pillow(x, format_, quality):
    out = io.BytesIO()
    pixels = np.round(np.asarray(x) * 255).astype(np.uint8)
    options = {"subsampling": "4:2:0"} if format_ == "JPEG" else {"method": 4}
    Image.fromarray(pixels).save(out, format_, quality=quality, **options)
    return np.asarray(Image.open(out).convert("RGB")) / 255, len(out.getvalue())


@pytest.mark.parametrize("format_", ["jpeg", "webp"])
def test_what_is_received_is_what_pillow_decodes(pair, format_):
    sent = jax.jit(channel(formats=[format_]))(pair, pair[::-1], QUALITY, jax.random.key(0))
    for i, quality in enumerate((40, 80)):
        theirs, size = _pillow(pair[i], format_.upper(), quality)
        np.testing.assert_allclose(sent.received[i], theirs, atol=1e-6)
        np.testing.assert_allclose(sent.decoded[i], theirs, atol=1e-6)
        assert int(sent.bits[i]) == 8 * size
        theirs, _ = _pillow(pair[1 - i], format_.upper(), quality)
        np.testing.assert_allclose(sent.reference[i], theirs, atol=1e-6)


def test_the_gradient_is_the_simulators(pair):
    weights = jax.random.normal(jax.random.key(1), pair.shape)

    def through(x):
        return jnp.sum(channel()(x, pair, QUALITY, jax.random.key(0)).received * weights)

    def simulated(x):
        return jnp.sum(jpeg(x, QUALITY).image * weights)

    gradient = jax.jit(jax.grad(through))(pair)
    assert float(jnp.abs(gradient).max()) > 0
    np.testing.assert_allclose(gradient, jax.jit(jax.grad(simulated))(pair), atol=1e-4)


def test_formats_get_equal_shares(pair):
    send = channel()
    for seed in range(3):
        sent = send(pair, pair, QUALITY, jax.random.key(seed))
        sizes = [
            [_pillow(pair[i], f, q)[1] * 8 for f in ("JPEG", "WEBP")]
            for i, q in enumerate((40, 80))
        ]
        which = [sizes[i].index(int(sent.bits[i])) for i in range(2)]
        assert sorted(which) == [0, 1]


def test_jpeg_can_be_simulated_without_a_host(pair):
    sent = channel(formats=["jpeg"], real=False)(pair, pair, QUALITY, jax.random.key(0))
    np.testing.assert_allclose(sent.received, jpeg(pair, QUALITY).image, atol=1e-6)
    assert (sent.bits > 0).all()
    with pytest.raises(ValueError, match="webp"):
        channel(real=False)


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match="formats"):
        channel(formats=["png"])
    with pytest.raises(ValueError, match="roundings"):
        channel(rounding="up")


_ONE_PROCESSOR = """
import os
os.sched_setaffinity(0, list(os.sched_getaffinity(0))[:1])
import jax
from jaxlic.rescaling.channel import channel
send = jax.jit(channel(formats=["jpeg"]))
x, quality = jax.random.uniform(jax.random.key(0), (8, 96, 96, 3)), jax.numpy.full(8, 50.0)
for i in range(40):
    sent = send(x, x[::-1], quality, jax.random.key(i))
    x = x + 0 * sent.received
print(float(sent.bits[0]) > 0)
"""


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="cannot take processors away")
def test_one_processor_does_not_wait_for_itself():
    done = subprocess.run(
        [sys.executable, "-c", _ONE_PROCESSOR], capture_output=True, text=True, timeout=300
    )
    assert done.stdout == "True\n", done.stderr
