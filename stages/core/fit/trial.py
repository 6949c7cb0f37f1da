"""What a network does when it is tried on a few rows, before anything trains."""

import re
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from stages.core.fit.constructs import is_plain, parts
from stages.core.fit.pure import Scope
from stages.core.run.lean_keras import drawn_from, keras
from stages.core.run.lean_keras import tensorflow as tf

# What TensorFlow draws random numbers with from a state of the process.
UNSEEDED = re.compile(r"(?!Stateless)\w*(Random|Multinomial|TruncatedNormal)")
ASSIGNED = (
    "a weight that is trained, and assigned when the layer is called: expected one of both; a "
    "kernel_constraint changes weights after each step"
)
REGISTERED = (
    "; expected each class to be @keras.saving.register_keras_serializable() with a get_config "
    "that gives the arguments of __init__"
)


def problems(network) -> Iterator[str]:
    """Why a network would not train as in Keras, or could not be saved."""
    try:
        yield from _called(network)
    except Exception as error:  # parts of one's own fail in any way
        if "out of scope" in str(error):
            yield "a state is assigned within a branch or a loop: assign it behind"
        yield f"it fails on rows of zeros and ones: {_reason(error)}"
    yield from _unsaved(network)


def _called(network):
    """What layers of one's own and functions do when they are called."""
    traced, assigned = _traced(network, 0)
    yield from _untrained(network, traced, assigned)
    nodes = _nodes(traced)
    for node in nodes:
        if UNSEEDED.match(node.op):
            yield (
                f"{node.name} draws random numbers that no seed settles: use functions of "
                "keras.random with a keras.random.SeedGenerator of the layer"
            )
    others = _nodes(_traced(network, 1)[0])
    constants = [
        sorted((each.op, each.attr["value"].SerializeToString()) for each in graph)
        for graph in (nodes, others)
    ]
    if constants[0] != constants[1]:
        yield (
            "it is called with random numbers of Python or NumPy, which all steps would share: use "
            "functions of keras.random with a keras.random.SeedGenerator of the layer"
        )
    yield from _predicting(network)


def _traced(network, seed):
    """A step's call and gradients as a function, and ids of the variables to which it assigns."""
    variables, source, scopes = network.variables, network.inputs[0], []
    places = {id(variable): place for place, variable in enumerate(variables)}
    trained = [places[id(variable)] for variable in network.trainable_variables]

    def step(rows, *values):
        wanted = [values[place] for place in trained]
        with tf.GradientTape() as tape:
            tape.watch(wanted)
            with Scope(zip(variables, values, strict=True), collect_losses=True) as scope:
                total = tf.reduce_sum(network(rows, training=True))
            total += sum(map(tf.reduce_sum, scope.losses))
        scopes.append(scope)
        return tape.gradient(total, wanted), [*map(scope.get_current_value, variables)]

    kinds = [tf.TensorSpec(each.shape, each.dtype) for each in variables]
    row = tf.TensorSpec((None, *source.shape[1:]), source.dtype)
    with drawn_from(seed):
        traced = tf.function(step, autograph=False).get_concrete_function(row, *kinds)
    return traced, scopes[0].assigned


def _nodes(traced) -> list:
    """All operations of a function, those of loops and branches and of functions in it too."""
    graph = traced.graph.as_graph_def()
    return [*graph.node, *(node for each in graph.library.function for node in each.node_def)]


def _untrained(network, traced, assigned):
    """Weights that would not train, and what is no weight of the network."""
    for weight, gradient in zip(
        network.trainable_variables, traced.structured_outputs[0], strict=True
    ):
        if id(weight) in assigned:
            yield f"{weight.path}: {ASSIGNED}"
        if gradient is None:
            yield (
                f"{weight.path}: the loss does not depend on it; remove it, or trainable=False "
                "(@tf.function and RematScope hide weights: leave them out)"
            )
    handles = {id(each.value.handle): each.path for each in network.variables}
    for captured in traced.captured_inputs:
        if id(captured) in handles:
            yield f"{handles[id(captured)]}: a @tf.function hides it: leave the decorator out"
    known = {id(each.value) for each in network.variables}
    for variable in traced.graph.variables:
        if id(variable) not in known:
            got = f"a variable of TensorFlow, {variable.name}"
            yield f"expected weights of layers to come from add_weight, got {got}"


def _predicting(network):
    """What a network does when it predicts."""
    rows = probe(network)
    with keras.StatelessScope():
        first, again, alone = (network(each, training=False) for each in (rows, rows, rows[:1]))
    if getattr(first, "_keras_mask", None) is not None:
        yield "the output carries a mask of rows, which Keras would leave out of the loss"
    if len(first) != len(rows):
        yield f"expected a prediction for each row, got {len(first)} for {len(rows)} rows"
        return
    first, again, alone = (each[0].numpy() for each in (first, again, alone))
    if not np.array_equal(first, again, equal_nan=True):
        yield "what it predicts for a row is something else each time"
    if not np.allclose(first, alone, rtol=1e-3, atol=1e-5, equal_nan=True):
        yield (
            "what it predicts for a row depends on the other rows of a batch: a mean or a maximum "
            "over axis 0, such as of keras.ops, is one over rows; BatchNormalization may do that"
        )


def probe(network) -> np.ndarray:
    """Three rows to try a network on."""
    source = network.inputs[0]
    return np.random.default_rng(0).integers(0, 2, (3, *source.shape[1:])).astype(source.dtype)


def _unsaved(network):
    """Why a network could not be saved and loaded again, if so."""
    how = "" if is_plain(network) else REGISTERED
    try:
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(action="ignore"):
            bare = keras.models.clone_model(network)
            bare.set_weights(network.get_weights())
            bare.save(path := Path(folder) / "network.keras")
            loaded = keras.models.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # parts of one's own fail in any way
        yield f"the network cannot be saved and loaded again: {_reason(error)}{how}"
        return
    before, after = network.get_weights(), loaded.get_weights()
    merged = any(getattr(layer, "lora_enabled", False) for layer in parts(network)[0])
    if not merged and (len(before) != len(after) or not all(map(np.array_equal, before, after))):
        yield f"the network has other weights when it is saved and loaded again{how}"
    rows = probe(network)
    with keras.StatelessScope():
        expected, got = (each(rows, training=False).numpy() for each in (network, loaded))
    if not np.allclose(expected, got, rtol=1e-3, atol=1e-5, equal_nan=True):
        yield f"the network predicts something else when it is saved and loaded again{how}"


def _reason(error) -> str:
    """What an error of Keras says, in a line; the part that cannot be found stands at its end."""
    text = re.sub(r"\x1b\[\d+m", "", str(error).strip()) or type(error).__name__
    named = re.search(r"Could not locate \w+ '[^']*'", text)
    lines = [line for line in text.splitlines() if line and not line.startswith("Exception enc")]
    return named[0] if named else (lines or [text])[0][:200]
