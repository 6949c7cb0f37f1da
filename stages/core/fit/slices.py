"""How replicas are cut into slices, which train one after the other through one program."""

import math
from itertools import groupby
from typing import NamedTuple

import scipy.sparse as sp

from stages.core.fit import constructs, streams
from stages.core.fit.copies import at_a_time
from stages.core.fit.program import pads
from stages.core.run import memory
from stages.core.run.lean_keras import keras

SLICE = 64  # replicas that train at the same time, at most
VIEWS = tuple(vars(keras.layers)[name] for name in ("InputLayer", "Flatten", "Reshape", "Identity"))


class Slice(NamedTuple):
    """Replicas that train at the same time, and the size of the program that trains them."""

    members: list
    size: int

    @property
    def full(self):
        """The members, and the last one again as often as places are left."""
        return self.members + self.members[-1:] * (self.size - len(self.members))


def cut(problem, replicas, longest, share=1):
    """Cut into parts that train at the same time, of as many replicas as fit into memory.

    Those of a part have equal plans and, where rows are sparse, one stream. Parts of a group have
    one size, so that one program serves them. longest: the most rows that a replica holds out.
    share: how many fits share the memory. Raises MemoryError where not even one replica fits.
    """
    padded = pads(problem.model)

    def key(replica):
        stream = (replica.order, replica.folds.tobytes()) if sp.issparse(problem.rows) else ()
        return streams.plan(replica, problem.batch_size, padded), stream

    slices = []
    for (plan, _), group in groupby(replicas, key):
        members = list(group)
        most = min(SLICE, _that_fit(problem, plan.width, longest, share))
        size = -(-len(members) // -(-len(members) // most))
        starts = range(0, len(members), size)
        slices += [Slice(members[start : start + size], size) for start in starts]
    return slices


def _that_fit(problem, batch, longest, share) -> int:
    """How many replicas at most are not sure to be ended by the system, for want of memory.

    What is sure to be there at the same time: the weights of all replicas, and beside them either
    their gradients and new weights; or, of the replicas that train at once, a batch and what each
    layer makes of it, from which gradients are computed; or what one layer makes of all held-out
    rows. Raises MemoryError where that is too much for one replica.
    """
    model, free = problem.model, memory.free() // share
    layers, between = constructs.parts(model)
    weights = model.count_params()
    inputs = 0 if sp.issparse(problem.rows) else math.prod(model.input_shape[1:])
    outputs = [
        math.prod(size or 1 for size in output.shape[1:])
        for operation in [*layers, *between]
        if not isinstance(operation, (*VIEWS, keras.Model))
        for node in operation._inbound_nodes
        for output in node.output_tensors
    ]
    beside = max(2 * weights, batch * (inputs + sum(outputs)), longest * max(inputs, *outputs))
    each, fixed = weights + beside, 0
    if not constructs.is_vectorized(model):  # a few at a time are in their middle
        each, fixed = 3 * weights, at_a_time() * beside
    count = int((free / 4 - fixed) // each)  # of float32
    if count < 1:
        raise MemoryError(
            f"a network of {weights:,} parameters needs at least {(each + fixed) * 4 / 2**30:,.1f} "
            f"GiB with batches of {batch:,} rows and {longest:,} rows held out, and "
            f"{max(free, 0) / 2**30:,.1f} GiB are free"
        )
    return count
