"""The train step as a program for some devices: those at hand, or those of another machine."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from train.experiment import ConfigError, Experiment
from train.step import init_state, make_step


def placement(devices: Sequence[jax.Device]) -> tuple[NamedSharding, NamedSharding]:
    """Where the state lies, on every device, and where a batch, its images dealt out."""
    mesh = Mesh(np.array(devices), ("data",))
    return NamedSharding(mesh, PartitionSpec()), NamedSharding(mesh, PartitionSpec("data"))


def jit_step(e: Experiment, devices: Sequence[jax.Device]) -> jax.stages.Wrapped:
    """The step `(state, batch) -> (state, metrics)` that training runs. The state is donated.

    Raises:
        ConfigError: if the batch does not divide by the number of devices.
    """
    parts = e.accumulate
    if parts < 1 or e.batch % (len(devices) * parts):
        split = f" in {parts} parts" if parts != 1 else ""
        raise ConfigError(
            f"a batch of {e.batch} cannot be split on {len(devices)} devices{split}"
        )
    replicated, _ = placement(devices)
    return jax.jit(make_step(e), donate_argnums=0, out_shardings=replicated)


def trace_step(e: Experiment, devices: Sequence[jax.Device]) -> jax.stages.Traced:
    """`jit_step`, traced for arrays that need not exist, on devices that need not either."""
    replicated, sharded = placement(devices)
    side = e.crop + 2 * e.margin

    def placed(a: jax.ShapeDtypeStruct, sharding: NamedSharding) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct(a.shape, a.dtype, sharding=sharding)

    state = jax.tree.map(lambda a: placed(a, replicated), jax.eval_shape(lambda: init_state(e)))
    image = jax.ShapeDtypeStruct((e.batch, side, side, 3), jnp.uint8)
    return jit_step(e, devices).trace(state, {"image": placed(image, sharded)})


def compile_step(
    e: Experiment, devices: Sequence[jax.Device], **options: float | bool | str
) -> jax.stages.Compiled:
    """`trace_step`, compiled with `options` of the compiler."""
    return trace_step(e, devices).lower().compile(compiler_options=options or None)
