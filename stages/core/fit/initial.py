"""The weights that replicas start from: those of a new network after `set_random_seed`.

Building a network takes 15 ms or more, and most replicas need no new one. All that Keras draws for
itself when it builds is a seed for each initializer and each source of dropout masks, by Python's
`random`. So the values that a variable has for another seed follow from the place of its seed among
these draws. Whether they do is not assumed: two networks are built, and where what was computed for
the second differs from it in a bit, because weights were loaded or set by hand, each replica gets a
network built for it.
"""

import random
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from stages.core.declared.strict_yaml import Wrong
from stages.core.fit.constructs import config_of
from stages.core.run.lean_keras import keras

DRAWS = 1000  # a network that takes more is built anew for each replica


@dataclass(frozen=True)
class _Source:
    """Where the value of a variable comes from: `value`, or what is drawn with a seed.

    place: of the seed among the draws. initializer: None for the state of a generator of seeds.
    """

    value: np.ndarray
    place: int | None = None
    initializer: keras.initializers.Initializer | None = None

    def drawn(self, seeds) -> np.ndarray:
        """The value where these are the draws."""
        if self.place is None:
            return self.value
        seed = seeds[self.place]
        if self.initializer is None:
            return np.array([seed, *self.value[1:]], self.value.dtype)
        config = self.initializer.get_config() | {"seed": seed}
        fresh = type(self.initializer).from_config(config)
        return np.asarray(fresh(self.value.shape, dtype=self.value.dtype.name))


class Initial:
    """New values of the variables of the networks of a blueprint, each of a seed."""

    def __init__(self, blueprint, network: keras.Model, seed: int):
        """network: what `blueprint.build` made of this seed."""
        self.blueprint = blueprint
        self.first = seed, network, [variable.numpy() for variable in network.variables]
        self.sources = None  # once there is a second: how values are drawn, or [] if they are not

    def values(self, seed: int) -> list[np.ndarray]:
        """The values of `blueprint.build(seed).variables`, in their order.

        Raises Wrong where networks of two seeds differ in more than their variables.
        """
        if self.sources:
            draws = _draws(seed)
            return [source.drawn(draws) for source in self.sources]
        network = self.blueprint.build(seed)
        built = [variable.numpy() for variable in network.variables]
        if config_of(network) != config_of(self.first[1]):
            raise Wrong(
                f"{self.blueprint.name} draws random numbers that are no weights of the network, "
                "as arguments of layers, or as what a layer makes of a tensor that does not come "
                "of the inputs: expected the same network but for its weights"
            )
        if self.sources is None and seed != self.first[0]:
            sources = _sources(*self.first[1:], _draws(self.first[0]))
            drawn = [source.drawn(_draws(seed)) for source in sources]
            self.sources = sources if all(map(np.array_equal, drawn, built)) else []
        return built


def _draws(seed):
    """What Keras draws one after the other from Python's `random` after `set_random_seed`."""
    source = random.Random(seed)
    return [source.randint(1, 10**9) for _ in range(DRAWS)]


def _sources(network, built, draws):
    """A _Source for each variable of a network that was built with these draws."""
    places = {draw: place for place, draw in reversed([*enumerate(draws)])}
    drawing = [
        part
        for layer in network._flatten_layers()
        for part in vars(layer).values()
        if isinstance(part, keras.initializers.Initializer)
        and isinstance(getattr(part, "seed", None), int)
        and part.seed in places
    ]
    sources = []
    for value in built:
        source = _Source(value)
        if value.shape == (2,) and value.dtype.kind in "iu" and int(value[0]) in places:
            source = _Source(value, places[int(value[0])])
        elif value.dtype.kind == "f" and value.size and np.ptp(value):
            for part in drawing:
                candidate = _Source(value, places[part.seed], part)
                with suppress(Exception):  # such as one of matrices alone, or without a seed
                    if np.array_equal(candidate.drawn(draws), value):
                        source = candidate
                        break
        sources.append(source)
    return sources
