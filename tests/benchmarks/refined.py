"""What refiners make of a codec's files, step by step, as a table.

    python -m tests.benchmarks.refined FOLDER --qualities 10,25,50 --steps 1,2,4,8,17
    python -m tests.benchmarks.refined FOLDER --refiners refiner,runs/cdc,runs/plain \
        --metrics ms-ssim,st-lpips,st-lpips-vgg=vgg.safetensors --json out.json

Every image is compressed by the codec, once a quality; the base's picture and those of each
refiner are of that file. One that was trained with `deterministic` takes one step. With
`--anchors avif` the standard codec's pictures of the same number of bytes are judged beside.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import time
from itertools import product
from typing import Any

import jax
import numpy as np

from jaxlic import api, models, refiner, refining
from jaxlic.diffusion.samplers import Steps, ddim, dpm_solver
from jaxlic.diffusion.schedule import MAX_LOG_SNR, cosine, grid
from jaxlic.files import images
from jaxlic.metrics import scores
from jaxlic.report import judges
from jaxlic.report.anchors import standard
from jaxlic.report.equal import search

SAMPLERS = {"ddim": ddim, "dpm": dpm_solver}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--model", default=api.DEFAULT_MODEL)
    parser.add_argument("--refiners", default="refiner")
    parser.add_argument("--qualities", default="10,25,50")
    parser.add_argument("--steps", default="1,2,4,8,17")
    parser.add_argument("--samplers", default="ddim")
    parser.add_argument("--starts", default=str(refiner.START))
    parser.add_argument("--strengths", default="1")
    parser.add_argument("--noises", default=str(refiner.How().noise))
    parser.add_argument("--anchors", default="")
    parser.add_argument("--metrics", default="ms-ssim,st-lpips")
    parser.add_argument("--json", type=pathlib.Path)
    args = parser.parse_args()
    wanted = judges.parse(args.metrics)
    judge = judges.judge(wanted)
    collect = judges.collector(wanted)
    codec = api.load_codec(args.model)
    loaded = [(name, models.load_model(name)) for name in args.refiners.split(",") if name]
    found: dict[str, list[dict[str, float]]] = {}

    def note(key: str, image: np.ndarray, picture: np.ndarray, **more: float) -> None:
        row = {"psnr": scores.psnr(image, picture), **judge(image, picture), **more}
        found.setdefault(key, []).append(row)
        if collect is not None:
            collect.add((key, 0), image, picture)

    for path in images.find(args.folder):
        image = images.read_rgb(path)
        for quality in map(float, args.qualities.split(",")):
            data = codec.compress(image, quality)
            bpp = 8 * len(data) / (image.shape[0] * image.shape[1])
            base, y_hat = codec.decode(data).rgb, codec.latents(data)
            note(f"{quality:g} base", image, base, bpp=bpp)
            for anchor in filter(None, args.anchors.split(",")):
                other = search(standard(anchor), image, len(data)).data
                back = standard(anchor).decode(other, (image.shape[0], image.shape[1]))
                note(f"{quality:g} {anchor}", image, back, bpp=bpp * len(other) / len(data))
            for name, model in loaded:
                for label, steps in _tables(args, model.codec.refiner.deterministic):
                    for strength, noise in product(
                        *(map(float, a.split(",")) for a in (args.strengths, args.noises))
                    ):
                        began = time.perf_counter()
                        picture = refining.refine(
                            model.codec,
                            model.params,
                            base,
                            y_hat,
                            quality,
                            steps,
                            jax.random.key(0),
                            strength=strength,
                            noise=noise,
                        )
                        took = time.perf_counter() - began
                        called = f"{pathlib.Path(name).name} {label} {strength:g} {noise:g}"
                        note(f"{quality:g} {called}", image, picture, bpp=bpp, seconds=took)
        print(path.name, flush=True)
    result: dict[str, Any] = {
        key: {name: float(np.mean([r[name] for r in rows])) for name in rows[0]}
        for key, rows in found.items()
    }
    for (key, _), distance in (collect.distances() if collect else {}).items():
        result[key]["fd"] = float(distance)
    for key, row in sorted(result.items(), key=lambda item: float(item[0].split()[0])):
        print(f"{key:44s}", "  ".join(f"{name} {value:.4f}" for name, value in row.items()))
    if args.json:
        args.json.write_text(json.dumps({"mean": result, "rows": found}, indent=1))


def _tables(args: argparse.Namespace, zero: bool) -> list[tuple[str, Steps]]:
    """By label the samplers' tables that are asked for."""
    if zero:
        return [("zero", ddim(np.array([-MAX_LOG_SNR, np.inf])))]
    return [
        (f"{sampler}-{start}-{n}", SAMPLERS[sampler](grid(cosine, int(n), start=float(start))))
        for sampler in args.samplers.split(",")
        for start in args.starts.split(",")
        for n in args.steps.split(",")
    ]


if __name__ == "__main__":
    main()
