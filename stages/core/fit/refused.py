"""Networks that would not train, or could not be saved, as Keras does it: refused by name."""

from stages.core.declared.strict_yaml import Wrong
from stages.core.fit import trial
from stages.core.fit.constructs import inputs_of, is_chain, is_vectorized, parts
from stages.core.fit.numbers import PENALTIES
from stages.core.run.lean_keras import keras


def refuse(network, blueprint):
    """Raise Wrong where a network would not train, or could not be saved, as Keras does it."""
    if problem := next(_problems(network, blueprint), None):
        raise Wrong(f"{blueprint.name}: {problem}")


def _problems(network, blueprint):
    """What cannot be done, cheap checks first: each needs that those before it passed."""
    for layer in parts(network)[0]:
        at = f"layer {layer.name} ({type(layer).__name__})"
        if {layer.compute_dtype, layer.variable_dtype} - {"float32", "int32", "int64"}:
            got = " and ".join(sorted({layer.compute_dtype, layer.variable_dtype}))
            yield f"{at}: expected to compute in float32, got {got}: leave `dtype` out"
        if layer.dtype_policy.quantization_mode:
            yield f"{at}: expected float32 weights, got quantized ones, which do not train"
        if isinstance(layer, keras.layers.Lambda):
            yield (
                f"{at}: a Lambda layer cannot be loaded safely; use functions of keras.ops on the "
                "tensors, or a class of your own with @keras.saving.register_keras_serializable()"
            )
        if isinstance(layer, keras.layers.SpectralNormalization):
            yield f"{at}: {trial.ASSIGNED}"
        if getattr(layer, "stateful", False) and isinstance(layer, keras.layers.RNN):
            yield f"{at}: stateful=True carries states from batch to batch of shuffled rows"
    if getattr(network.outputs[0], "_keras_mask", None) is not None:
        yield "the output carries a mask of rows, which Keras would leave out of the loss"
    if not network.trainable_variables:
        yield "there is no weight to train"
    yield from _misplaced(network, blueprint)
    if not (is_chain(network) and is_vectorized(network)):  # of known layers, one by one
        yield from trial.problems(network)


def _misplaced(network, blueprint):
    """Layers that stand in another way than `fit.api` or sparse words need."""
    if blueprint.sparse:
        layers, source = network.operations, network.inputs[0]
        first = [layer for layer in layers for each in inputs_of(layer) if each is source]
        if len(first) != 1 or type(first[0]) is not keras.layers.Dense:
            yield (
                "expected a Dense layer, and nothing else, to take the inputs: words of the "
                "encoding multi_hot are sparse; or use the encoding sequence"
            )
        elif len(first[0]._inbound_nodes) != 1:
            yield f"layer {first[0].name} takes sparse words: expected one call of it, got several"
        else:
            yield from _not_sparse(first[0])
    if blueprint.sequential and not is_chain(network):
        yield "no chain of layers: expected functional as fit.api, got sequential"


def _not_sparse(first):
    """What the layer that takes sparse words cannot have: its kernels lie side by side."""
    if first.activity_regularizer is not None:
        yield f"layer {first.name} takes sparse words: expected no activity_regularizer"
    if type(first.kernel_regularizer) not in (type(None), *PENALTIES):
        yield f"layer {first.name} takes sparse words: expected L1, L2 or L1L2 as regularizer"
    if not first.trainable or first.lora_enabled:
        yield f"layer {first.name} takes sparse words: expected a kernel that trains"
