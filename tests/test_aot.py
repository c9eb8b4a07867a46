"""What the compiler of a TPU makes of the train step, and of the integers of decoding.

    pip install '.[tpu-aot,test]' && pytest -n 0 -m tpu_aot tests/test_aot.py

in an environment of its own; minutes on two CPU cores. Nothing is run on a TPU.
"""

import json
import subprocess
import sys

import pytest

pytest.importorskip("libtpu", reason="needs jaxlic[tpu-aot]")

from tests.exactness import CODECS

pytestmark = pytest.mark.tpu_aot


def _aot(*arguments):
    done = subprocess.run(
        [sys.executable, "-m", "tests.aot", *arguments],
        capture_output=True,
        text=True,
        timeout=1800,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_a_step_on_eight_chips_is_one_exchange_of_gradients():
    found = _aot("step", "v5e:2x4", "configs/smoke.py", "batch=64")
    (collective,) = found["collectives"]
    name, size, times = collective
    # Every parameter's gradient, once, and the metrics beside them.
    assert (name, times) == ("all-reduce", 1) and 0 <= size - found["parameters"] < 1000
    assert found["memory"] < 128 * 2**20


@pytest.mark.parametrize("name", CODECS)
def test_sums_between_bytes_and_tables_keep_the_highest_precision(name):
    found = _aot("exact", name)
    # The compiler may merge or drop some: 57 of 63 are left of dkic, all four of base.
    assert found["asked"] >= found["found"] == found["highest"] > 0.8 * found["asked"]
