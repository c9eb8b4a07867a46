"""Where our codecs stand among published ones on Kodak.

    jaxlic eval kodak/ --models base,dkic --json results.json
    python -m tests.benchmarks.ladder results.json

BD-rate of PSNR (RGB) against VTM over 0.2 to 1.0 bits a pixel. Ours are bytes of files and
8-bit images; the others are the points in `jaxlic/report/kodak_published.csv`, which their
authors or CompressAI have published (sources there). Their VTM behaves as version 9.1.
`jaxlic eval --report` shows the same ladder on its page.
"""

from __future__ import annotations

import argparse
import json
import pathlib

from jaxlic.report import published


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("results", type=pathlib.Path, help="what `jaxlic eval --json` wrote")
    args = parser.parse_args()
    curves = json.loads(args.results.read_text())["curves"]
    measured = {name: [(p[1], p[2]) for p in points] for name, points in curves.items()}
    known = published.read()[0]["psnr"]
    standing = published.ladder(measured, known, "psnr")
    for name in measured.keys() - {name for _, name, _ in standing}:
        print(f"{name}: its curve does not cover enough of 0.2 to 1.0 bits a pixel")
    print(f"BD-rate in % against {next(iter(known))}; * published")
    for value, name, was in standing:
        print(f"{value:>+8.1f}  {name}{' *' if was else ''}")


if __name__ == "__main__":
    main()
