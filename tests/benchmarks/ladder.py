"""Where our codecs stand among published ones on Kodak.

    jaxlic eval kodak/ --models base,dkic --json results.json
    python -m tests.benchmarks.ladder results.json

BD-rate of PSNR (RGB) against VTM over 0.2 to 1.0 bits a pixel. Ours are bytes of files and
8-bit images; the others are the points in `kodak_published.csv`, which their authors or
CompressAI have published (sources there). Their VTM behaves as version 9.1.
"""

from __future__ import annotations

import argparse
import csv
import json
import pathlib

from jaxlic.metrics.scores import bd_rate

PUBLISHED = pathlib.Path(__file__).with_name("kodak_published.csv")
ANCHOR = "VTM"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("results", type=pathlib.Path, help="what `jaxlic eval --json` wrote")
    args = parser.parse_args()
    curves: dict[str, list[tuple[float, float]]] = {}
    with open(PUBLISHED, newline="") as file:
        for row in csv.DictReader(file):
            curves.setdefault(row["codec"], []).append((float(row["bpp"]), float(row["psnr"])))
    published = set(curves)
    for name, points in json.loads(args.results.read_text())["curves"].items():
        curves[name] = [(bpp, psnr) for _, bpp, psnr in points]
    standing = []
    for name, curve in curves.items():
        try:
            standing.append((bd_rate(curves[ANCHOR], curve), name))
        except ValueError as error:
            print(f"{name}: {error}")
    print("BD-rate in % against VTM; * published")
    for value, name in sorted(standing):
        print(f"{value:>+8.1f}  {name}{' *' if name in published else ''}")


if __name__ == "__main__":
    main()
