"""What codecs make of photographs at the bytes of one of them, quality by quality, as a table.

    python -m tests.benchmarks.equal kodak/ --lead sic/mean --qualities 4,6,7,8,9 \
        --metrics st-lpips-vgg=vgg.safetensors,mesh
    python -m tests.benchmarks.equal kodak/ --lead avif --qualities 30,50 --models pyramid-3

The first codec writes its files, whose qualities are levels if it writes them; the others are
set, photograph by photograph, to as many bytes. Means over photographs.
"""

from __future__ import annotations

import argparse
import json
import pathlib
from collections.abc import Iterable

import numpy as np

from jaxlic.files import images
from jaxlic.metrics.scores import psnr
from jaxlic.report import judges
from jaxlic.report.anchors import standard
from jaxlic.report.equal import search
from jaxlic.report.learned import learned
from jaxlic.report.round_trip import RoundTrip

Rows = list[dict[str, float]]


def codecs_of(models: Iterable[str], standards: Iterable[str]) -> dict[str, RoundTrip]:
    """Codecs by name; of a model in levels all that `learned` knows."""
    found = {name: standard(name) for name in standards if name}
    for model in filter(None, models):
        found |= {name: codec for name, (codec, _) in learned(model).items()}
    return found


def compare(
    image: np.ndarray, codecs: dict[str, RoundTrip], quality: float, judge: judges.Judge
) -> dict[str, dict[str, float]]:
    """Bits, PSNR and more of every codec, at the bytes of the first one's file."""
    shape = (image.shape[0], image.shape[1])
    budget, found = 0, {}
    for name, codec in codecs.items():
        data = search(codec, image, budget).data if budget else codec.encode(image, quality)
        budget = budget or len(data)
        back = codec.decode(data, shape)
        bpp = 8 * len(data) / (shape[0] * shape[1])
        found[name] = {"bpp": bpp, "psnr": psnr(image, back), **judge(image, back)}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--lead", default="sic/mean", help="CODEC or MODEL/SAMPLER")
    parser.add_argument("--qualities", default="4,6,7,8,9")
    parser.add_argument("--models", default="pyramid-3")
    parser.add_argument("--codecs", default="avif")
    parser.add_argument("--metrics", default="st-lpips")
    parser.add_argument("--every", type=int, default=1, help="take every so many photographs")
    parser.add_argument("--json", type=pathlib.Path)
    args = parser.parse_args()
    wanted = judges.parse(args.metrics)
    judge = judges.judge(wanted)
    model = args.lead.partition("/")[0]
    known = args.lead in args.codecs.split(",")
    lead = codecs_of(() if known else (model,), (args.lead,) if known else ())[args.lead]
    others = codecs_of(args.models.split(","), args.codecs.split(","))
    codecs = {args.lead: lead} | others
    rows: dict[tuple[float, str], Rows] = {}
    for path in images.find(args.folder)[:: args.every]:
        image = images.read_rgb(path)
        for quality in map(float, args.qualities.split(",")):
            for name, row in compare(image, codecs, quality, judge).items():
                rows.setdefault((quality, name), []).append(row)
        print(path.name, flush=True)
    columns = ["bpp", "psnr", *judges.columns(list(wanted))]
    print(f"{'':8} {'':16}", *(f"{c:>14}" for c in columns))
    for (quality, name), found in rows.items():
        means = (float(np.mean([row[c] for row in found])) for c in columns)
        print(f"{quality:<8g} {name:16}", *(f"{mean:14.4f}" for mean in means))
    if args.json:
        table = [
            {"quality": q, "codec": name, "rows": found} for (q, name), found in rows.items()
        ]
        args.json.write_text(json.dumps(table, indent=1))


if __name__ == "__main__":
    main()
