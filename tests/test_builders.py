import pytest
from flax import linen as nn

from jaxlic.builders import BUILDERS, Spec, assemble, build, builder_of
from jaxlic.core import Builder, Codec, Rescaler
from jaxlic.errors import ModelError


def test_what_no_builder_makes_is_refused_in_a_line():
    with pytest.raises(ModelError, match="no architecture"):
        build(Spec("os.system", {}))
    with pytest.raises(ModelError, match="unexpected keyword"):
        build(Spec("hyperprior.lapped", {"colour": 3}))
    with pytest.raises(ModelError, match=r"rescaler\.folded"):
        assemble(Spec("rescaler.folded", {"layout": ["E1"]}))


def test_every_builder_makes_a_codec_or_a_rescaler_by_its_defaults():
    for name in BUILDERS:
        assert isinstance(assemble(Spec(name, {})), Codec | Rescaler)


def test_the_callers_builders_come_first():
    mine = Builder("hyperprior.lapped", nn.Dense, lambda module: module)
    assert builder_of(Spec("hyperprior.lapped", {}), [mine]) is mine
    assert builder_of(Spec("hyperprior.lapped", {})) is BUILDERS["hyperprior.lapped"]
