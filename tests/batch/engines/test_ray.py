"""Actors of Ray; that they work is for `tests/batch/test_s3.py`, with real ones."""

import importlib.util
import sys

import pytest

from jaxlic.batch.engines.ray import Actor, OnRay, _alone, actors
from jaxlic.errors import UsageError


def _node(alive=True, **resources):
    return {"Alive": alive, "Resources": {name: float(n) for name, n in resources.items()}}


def test_one_actor_a_gpu_one_a_host_of_tpus_one_a_core_elsewhere():
    nodes = [
        _node(CPU=16, GPU=2),
        _node(CPU=8, TPU=4),
        _node(CPU=2),
        _node(alive=False, CPU=64),
    ]
    gpu = Actor({"num_cpus": 1, "num_gpus": 1}, 8)
    tpu = Actor({"num_cpus": 1, "resources": {"TPU": 4}}, 8)
    assert actors(nodes) == [gpu, gpu, tpu, *[Actor({"num_cpus": 1}, 2)] * 2]
    assert actors(nodes, 1) == [gpu]
    assert actors([]) == []


def test_a_cluster_of_ones_own_has_no_dashboard():
    assert _alone()["include_dashboard"] is False and _alone()["num_cpus"] >= 1


def test_without_ray_it_is_said_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    with pytest.raises(UsageError, match=r'pip install "jaxlic\[ray\]"'):
        OnRay(lambda threads: None)
    assert importlib.util.find_spec("jaxlic.batch.engines.ray")
