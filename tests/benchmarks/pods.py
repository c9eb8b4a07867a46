"""What the configs cost on machines that are not here: the table of docs/pods.md, row by row.

nice python -m tests.benchmarks.pods [smoke base ...] [--machines v5e:2x4,h100:8]

Needs `jaxlic[tpu-aot,cuda-aot]`; minutes a row, gigabytes of memory. A row comes from the
command that is printed below it.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys

MACHINES = "v5e:2x4,v5e:16x16,v6e:16x16,h100:8"
# Batches that fill a pod: eight crops a device on 256 of them.
SETTINGS = {
    "smoke": ["batch=2048"],
    "base": ["batch=2048", "crop=256"],
    "base_jnd": ["batch=2048"],
    "mbt2018_mean": ["batch=2048"],
    "dkic": ["batch=256", "init_from=none"],
    "dkic_large": ["batch=256"],
    "pyramid": ["batch=256"],
    "refiner": ["batch=256"],
    "sic": ["batch=256"],
    "distil": ["batch=2048", "crop=256"],
    "sain": ["batch=256", "real=false", "formats=jpeg"],
    "sain_paper": ["batch=256", "real=false"],
}


def row(config: str, machine: str, minutes: float, quick: bool) -> str:
    """A line of the table, and the command."""
    command = ["-m", "train", f"configs/{config}.py", "--compile-for", machine]
    command += [*(["--quick"] if quick else []), "--set", *SETTINGS[config]]
    shown = f"    python {' '.join(command)}"
    try:
        done = subprocess.run(
            [sys.executable, *command], capture_output=True, text=True, timeout=60 * minutes
        )
    except subprocess.TimeoutExpired:
        return f"| {config} | {machine} | not compiled in {minutes:g} minutes |\n{shown}"
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
        return f"| {config} | {machine} | {(said or ['error: it ended'])[-1][7:]} |\n{shown}"

    def told(pattern: str) -> str:
        found = re.search(pattern, done.stdout, re.MULTILINE)
        return found[1] if found else "not told"

    cells = [
        config,
        machine,
        told(r", (\d+) crops"),
        told(r"^memory +([\d,]+) MiB"),
        told(r"^operations +([\d,.]+)"),
        told(r"^traffic +([\d,.]+) GB"),
        told(r"^intensity +([\d,.]+)"),
        told(r"^roofline +([\d,.]+) ms"),
        told(r"^compiled in +(\d+)"),
    ]
    return f"| {' | '.join(cells)} |\n{shown}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("configs", nargs="*", default=list(SETTINGS), metavar="CONFIG")
    parser.add_argument("--machines", default=MACHINES, help="by comma")
    parser.add_argument("--limit", type=float, default=60, metavar="MINUTES", help="of a row")
    parser.add_argument("--quick", action="store_true", help="as of python -m train")
    args = parser.parse_args()
    for config in args.configs:
        for machine in args.machines.split(","):
            print(row(config, machine, args.limit, args.quick), flush=True)


if __name__ == "__main__":
    main()
