"""A reader written from `docs/bitstream.md` alone finds the latents of every level."""

import numpy as np
import pytest

import jaxlic
from jaxlic import coding
from jaxlic.entropy.detail import SAMPLERS, Detail
from jaxlic.files import bitstream, levels
from tests.independent_levels import read
from tests.levelled import LEVELS, folder


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return folder(tmp_path_factory.mktemp("levelled") / "model")


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_level(place, photo, sampler):
    codec = jaxlic.load(place)
    m, whole = codec.model, codec.compress(photo[:64, :100], 61.25)
    for level in (1, 2, LEVELS - 1, LEVELS):
        data = levels.truncate(whole, level=level)
        expected = coding.latents(
            codec.codec,
            m.params,
            m.tables,
            bitstream.unpack(data).payloads,
            (64, 100),
            61.25,
            detail=Detail(sampler, 2**33 + 7, 5),
        )
        np.testing.assert_array_equal(read(data, place, sampler, 2**33 + 7, 5), expected)
