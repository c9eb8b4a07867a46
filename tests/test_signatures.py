"""What users call, by name and argument: a change here breaks programs, and is seen."""

import inspect

import pytest

import jaxlic
from jaxlic import metrics

PUBLIC = {
    "load": "(model='pyramid-3', *, builders=())",
    "load_model": "(name, *, builders=())",
    "save_model": "(path, params, spec, description, tables=None, *, builders=(), small=False)",
    "restore": "(source, *, scale=None, model=None, latent='mean', seed=0, "
    "max_pixels=100000000)",
    "transform_codec": "(model, *, quantise=split, dtype='float32', remat=False)",
    "rescaler": "(model, *, through=None, tile=1024)",
    "keep_compiled": "(*, tell=None)",
    "ImageCodec.compress": "(self, image, quality=40.0, *, effort=0, coder='constriction', "
    "max_pixels=100000000, track='untracked')",
    "ImageCodec.decompress": "(self, data, *, max_pixels=100000000)",
    "ImageCodec.decode": "(self, data, *, detail=None, finish=None, max_pixels=100000000)",
    "ImageCodec.latents": "(self, data, *, max_pixels=100000000)",
    "ImageRescaler.upscale": "(self, thumbnail, shape=None, *, latent='mean', seed=0, "
    "max_pixels=100000000)",
    "Builder": "(name, make, assemble, int8='', limits=(), free=())",
    "Spec": "(builder, settings)",
}


def _bare(function):
    signature = inspect.signature(function)
    parameters = [
        p.replace(annotation=p.empty, default=getattr(p.default, "__name__", p.default))
        if callable(p.default) and p.default is not p.empty
        else p.replace(annotation=p.empty)
        for p in signature.parameters.values()
    ]
    bare = signature.replace(parameters=parameters, return_annotation=signature.empty)
    return str(bare).replace("'split'", "split")


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_signatures_stay(name):
    found = jaxlic
    for part in name.split("."):
        found = getattr(found, part)
    assert _bare(found) == PUBLIC[name]


def test_names_stay():
    assert set(jaxlic.__all__) == {
        "BitstreamError",
        "Builder",
        "Codec",
        "Error",
        "FileError",
        "Hyperprior",
        "ImageCodec",
        "ImageError",
        "ImageRescaler",
        "ModelError",
        "Picture",
        "Reconstruction",
        "Rescaler",
        "Spec",
        "keep_compiled",
        "load",
        "load_model",
        "rescaler",
        "restore",
        "save_model",
        "transform_codec",
    }
    assert {"bd_rate", "frechet", "gmsd", "jnd_map", "ms_ssim", "mse"} <= set(metrics.__all__)
    assert {"perceptual", "psnr", "ssim", "violations"} <= set(metrics.__all__)
