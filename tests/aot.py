"""Compiles for a TPU that need not be there, and prints what tests want to know, as JSON.

    python -m tests.aot step v5e:2x4 configs/smoke.py batch=64
    python -m tests.aot exact base

In a process of its own, for a compiler's settings are read when JAX is imported.
"""

from __future__ import annotations

import json
import re
import sys

from train import chips


def step(machine: str, config: str, *settings: str) -> dict:
    """Memory and collectives of a train step; bytes of its parameters."""
    m = chips.machine(machine)
    chips.prepare(m)
    import jax

    from train.cost import cost
    from train.experiment import load_experiment, parse_overrides
    from train.step import init_state

    e = load_experiment(config, parse_overrides(settings))
    found = cost(e, m)
    params = jax.eval_shape(lambda: init_state(e)).params
    return {
        "memory": found.memory,
        "collectives": [[*key, times] for key, times in found.collectives.items()],
        "parameters": sum(4 * a.size for a in jax.tree.leaves(params)),
    }


def exact(name: str) -> dict:
    """The precisions of all sums between a codec's bytes and its tables, as XLA has them."""
    m = chips.machine("v5e:1x1")
    chips.prepare(m)
    import jax
    import jax.numpy as jnp
    from jax.sharding import SingleDeviceSharding

    from jaxlic import models
    from jaxlic.ops.platforms import traced_for
    from jaxlic.report.complexity import count
    from train.cost import devices

    model = models.load_model(name)
    module = models.build(model.spec)

    def path(z: jax.Array, y: jax.Array, quality: jax.Array) -> list[jax.Array]:
        asked: list[jax.Array] = []

        def coder(name, part, predicted, size=None):
            asked.extend([predicted.offset, predicted.indexes])
            return part

        def code(module):
            predicted, features = module.hyper_synthesis(z, quality)
            if module.context is None:
                return coder("y", y, predicted)
            return module.context.code(y, coder, predicted, features, quality)

        module.apply(model.params, method=code)
        return asked

    sharding = SingleDeviceSharding(devices(m)[0])

    def given(*shape: int) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct(shape, jnp.float32, sharding=sharding)

    z, y = given(1, 4, 4, module.hyper_analysis.latents), given(1, 16, 16, module.latents)
    with traced_for("tpu"):
        traced = jax.jit(path).trace(z, y, given(1))
    sums = re.findall(r"= .*? (?:convolution|dot)\(.*", traced.lower().compile().as_text())
    highest = [line for line in sums if "operand_precision={highest,highest}" in line]
    primitives = str(traced.jaxpr)
    asked = primitives.count("conv_general_dilated[") + primitives.count("dot_general[")
    return {
        "asked": asked,
        "found": len(sums),
        "highest": len(highest),
        "macs": count(traced.jaxpr.jaxpr),
    }


if __name__ == "__main__":
    print(json.dumps({"step": step, "exact": exact}[sys.argv[1]](*sys.argv[2:])))
