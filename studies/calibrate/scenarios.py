"""What is trained and compared: networks on samples of a data set, and pairs of them.

A sample stands for what a person has; thousands of other rows of the same data set stand for the
truth. "seeds" is "base" with other seeds: a pair with a true difference of 0. Pairs share the seeds
and the orders of rows otherwise, as two revisions do.
"""

from dataclasses import dataclass, field, replace

SHIFT = 1_000_000  # added to a seed: fits that have no seed in common with the others


@dataclass(frozen=True)
class Network:
    """Changes to a section of params.yaml, by group. epochs: where they are not the setting's."""

    changes: dict = field(default_factory=dict)
    epochs: int | None = None
    shift: int = 0


@dataclass(frozen=True)
class Pair:
    """Two networks of a setting: head - base.

    apart: how many samples further on head is taken from, which has the same rows and folds there;
    several make so many pairs of each sample.
    """

    label: str
    base: str
    head: str
    apart: tuple[int, ...] = (0,)


@dataclass(frozen=True)
class Setting:
    """Networks that are trained on the same samples.

    rows: of a sample; 0: all rows of `parts`, and samples differ by seeds, and by folds in turns of
    `dealings`. outside: rows that the truth is measured on. fit: changes for all networks.
    counts: {network: samples}, where they are not `count`.
    """

    name: str
    title: str
    dataset: str
    networks: dict[str, Network]
    pairs: tuple[Pair, ...]
    count: int
    epochs: int
    repeats: int
    seeds: int
    rows: int = 0
    outside: int = 0
    parts: tuple[str, ...] = ("train", "test")
    dealings: int = 1
    fit: dict = field(default_factory=dict)
    counts: dict = field(default_factory=dict)
    unit: str = ""  # of the metric, where it has any
    extra: bool = False  # only to compare numbers of repeats and seeds, and orders
    k: int = 4

    def samples(self, name: str) -> int:
        """How many samples a network is trained on."""
        return self.counts.get(name, self.count)

    def places(self, pair: Pair) -> list[tuple[int, int]]:
        """Numbers of the samples that base and head of each pair are taken from."""
        count, heads = min(map(self.samples, (pair.base, pair.head))), self.samples(pair.head)
        return [(at, (at + apart) % heads) for apart in pair.apart for at in range(count)]

    def alike(self, pair: Pair) -> bool:
        """Whether base and head differ by seeds alone."""
        base, head = self.networks[pair.base], self.networks[pair.head]
        return replace(base, shift=0) == replace(head, shift=0)


def described(network: Network) -> str:
    """What a network is, beside that of params.yaml, for people."""
    keys = {key: value for group in network.changes.values() for key, value in group.items()}
    said = [f"{', '.join(map(str, sizes))} units" for sizes in [keys.pop("units", [])] if sizes]
    said += [value if isinstance(value, str) else f"{key} {value}" for key, value in keys.items()]
    said += [f"{network.epochs} epochs"] * bool(network.epochs)
    said += ["other seeds"] * bool(network.shift)
    return ", ".join(said) or "network of params.yaml"


def units(*sizes, shift=0) -> Network:
    """Other hidden layers."""
    return Network({"model": {"units": list(sizes)}}, shift=shift)


def model(**keys) -> Network:
    """Other arguments of the network."""
    return Network({"model": keys})


BASE = {"base": Network(), "seeds": Network(shift=SHIFT)}
DEALINGS = 10
RINGS = (DEALINGS, 2 * DEALINGS)
SETTINGS = (
    Setting(
        "boston",
        "Boston Housing, 404 rows",
        "boston_housing",
        {
            "base": Network(),
            "small": units(4, 4),
            "half": units(32, 32),
            "short": Network(epochs=20),
            "shorter": Network(epochs=60),
        },
        (
            Pair("other seeds alone", "base", "base", RINGS),
            Pair("4, 4 units, other seeds alone", "small", "small", RINGS),
            Pair("64, 64 → 4, 4 units", "base", "small"),
            Pair("64, 64 → 32, 32 units", "base", "half"),
            Pair("80 → 20 epochs", "base", "short"),
            Pair("80 → 60 epochs", "base", "shorter"),
        ),
        count=100,
        counts=dict.fromkeys(("small", "half", "short", "shorter"), 50),
        epochs=80,
        repeats=10,
        seeds=3,
        parts=("train",),
        dealings=DEALINGS,
        unit="thousand dollars",
    ),
    Setting(
        "boston-samples",
        "Boston Housing, samples of 248 rows",
        "boston_housing",
        BASE
        | {
            "wide": units(80, 80),
            "half": units(32, 32),
            "small": units(4, 4),
            "small-seeds": units(4, 4, shift=SHIFT),
        },
        (
            Pair("other seeds alone", "base", "seeds"),
            Pair("64, 64 → 80, 80 units", "base", "wide"),
            Pair("64, 64 → 32, 32 units", "base", "half"),
            Pair("64, 64 → 4, 4 units", "base", "small"),
            Pair("4, 4 units, other seeds alone", "small", "small-seeds"),
        ),
        count=100,
        epochs=40,
        repeats=5,
        seeds=3,
        rows=248,
        outside=258,
        fit={"learning_rate": 0.002},
        unit="thousand dollars",
    ),
    Setting(
        "imdb-samples",
        "IMDB, samples of 1,000 rows",
        "imdb",
        BASE
        | {
            "elu": model(activation="elu"),
            "wide": units(32, 32),
            "dropout": model(dropout=0.5),
        },
        (
            Pair("other seeds alone", "base", "seeds"),
            Pair("relu → elu", "base", "elu"),
            Pair("16, 16 → 32, 32 units", "base", "wide"),
            Pair("dropout 0 → 0.5", "base", "dropout"),
        ),
        count=60,
        epochs=4,
        repeats=5,
        seeds=3,
        rows=1000,
        outside=4000,
        fit={"batch_size": 64, "learning_rate": 0.002},
    ),
    Setting(
        "reuters-samples",
        "Reuters, samples of 1,500 rows",
        "reuters",
        {
            "base": units(32, 32),
            "seeds": units(32, 32, shift=SHIFT),
            "elu": Network({"model": {"units": [32, 32], "activation": "elu"}}),
            "wide": units(40, 40),
            "dropout": Network({"model": {"units": [32, 32], "dropout": 0.3}}),
        },
        (
            Pair("other seeds alone", "base", "seeds"),
            Pair("relu → elu", "base", "elu"),
            Pair("32, 32 → 40, 40 units", "base", "wide"),
            Pair("dropout 0 → 0.3", "base", "dropout"),
        ),
        count=80,
        epochs=6,
        repeats=5,
        seeds=3,
        rows=1500,
        outside=4000,
        fit={"batch_size": 128, "learning_rate": 0.003},
    ),
    Setting(
        "imdb-seeds",
        "IMDB, samples of 1,000 rows, 5 seeds",
        "imdb",
        {"base": Network(), "wide": units(32, 32), "dropout": model(dropout=0.5)},
        (
            Pair("16, 16 → 32, 32 units", "base", "wide"),
            Pair("dropout 0 → 0.5", "base", "dropout"),
        ),
        count=20,
        epochs=4,
        repeats=5,
        seeds=5,
        rows=1000,
        outside=4000,
        fit={"batch_size": 64, "learning_rate": 0.002},
        extra=True,
    ),
    Setting(
        "imdb",
        "IMDB, 25,000 rows",
        "imdb",
        {"base": Network()},
        (),
        count=1,
        epochs=4,
        repeats=5,
        seeds=10,
        parts=("train",),
        extra=True,
    ),
)
