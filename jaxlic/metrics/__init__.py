"""All measures of image quality in one place.

Functions of two image batches `[B, H, W, 3]` in [0, 1] to `[B]`, jittable and differentiable:
`mse`, `psnr`, `ssim`, `ms_ssim`, `gmsd`, `mesh`, and `perceptual(name).distance`; `violations`
of the thresholds of `jnd_map`. Of sets of images: `frechet`. Of rate-distortion curves:
`bd_rate`.
"""

from jaxlic.metrics import frechet
from jaxlic.metrics.perceptual import perceptual
from jaxlic.metrics.scores import bd_rate
from jaxlic.ops.distortion import gmsd, mesh, ms_ssim, mse, psnr, ssim
from jaxlic.ops.jnd import jnd_map, violations

__all__ = [
    "bd_rate",
    "frechet",
    "gmsd",
    "jnd_map",
    "mesh",
    "ms_ssim",
    "mse",
    "perceptual",
    "psnr",
    "ssim",
    "violations",
]
