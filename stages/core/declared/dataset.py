"""The section of a data set in params.yaml: the types of its groups, and which go together."""

from collections.abc import Iterator
from functools import cache
from typing import Annotated, ClassVar, Literal

from pydantic import Field, StrictInt, create_model

from stages.core.declared import arguments, sources
from stages.core.declared.sections import (
    LARGEST,
    Count,
    Penalty,
    Positive,
    Section,
    Share,
    Whole,
    said,
)
from stages.core.declared.task import TASKS, Task, chosen

Many = Annotated[Whole, Field(le=2**15)]  # of what is trained and kept one by one
Words = Annotated[Whole, Field(ge=4)]
Side = Annotated[Whole, Field(le=4096)]  # pixels
Epochs = Annotated[Whole | Literal["best"], said(f"a whole number from 1 to {LARGEST}, or best")]


class Data(Section):
    """What is asked of the data. metrics: names of those that are told, the main one first; those
    of the task where there are none.
    """

    task: Literal[tuple(TASKS)]
    metrics: sources.Names = ()


class Cut(Data):
    """Of rows that no file divides. test: the share of the rows that are kept for the test."""

    test: Share = 0.2


class Columns(Data):
    """Of a table. target: the column that is predicted. test: a share of the rows, or the file of
    the source that has them. group: a column whose rows of a value stay on one side of each split.
    time: a column by which rows are split into earlier and later ones. drop: columns left out.
    """

    target: sources.Text
    test: Annotated[Share | Literal["file"], said("a share from 0 below 1, or file")] = 0.2
    group: sources.Text | None = None
    time: sources.Text | None = None
    drop: sources.Names = ()

    def features(self, kinds: dict[str, str]) -> dict[str, str]:
        """The columns to predict from, of those of a source, with their kinds."""
        used = {self.target, self.group, *self.drop}
        return {name: kind for name, kind in kinds.items() if name not in used}


class MultiHot(Section):
    """Text as counts of words."""

    axes: ClassVar = ("samples", "features")
    weightings: ClassVar = ("binary", "tf_idf", "nb")
    encoding: Literal["multi_hot"]
    num_words: Words
    ngrams: Annotated[StrictInt, Field(ge=1, le=2)] = 1


class Sequence(Section):
    """Text as its last words, in order."""

    axes: ClassVar = ("samples", "timesteps")
    weightings: ClassVar = ("none",)
    encoding: Literal["sequence"]
    num_words: Words
    length: Whole = 200


class Features(Section):
    """Numbers in a row."""

    axes: ClassVar = ("samples", "features")
    weightings: ClassVar = ("standardize", "none")
    encoding: Literal["features"]


class Image(Section):
    """Pixels as they are."""

    axes: ClassVar = ("samples", "height", "width", "channels")
    weightings: ClassVar = ("none",)
    encoding: Literal["image"]


class Size(Section):
    """What images are made to be. channels: 1 for grey, 3 for colours."""

    height: Side
    width: Side
    channels: Literal[1, 3] = 3


class PixelsOfSize(Features, Size):
    """The pixels of images in a row."""


class ImageOfSize(Image, Size):
    """Images."""


class Table(Section):
    """Columns of a table. levels: categories that a column keeps; rare: rows that make none; words:
    of a column of text.
    """

    axes: ClassVar = ("samples", "features")
    weightings: ClassVar = ("tabular",)
    encoding: Literal["table"]
    levels: Whole = 50
    rare: Count = 5
    words: Whole = 1000


# By kind of data; that of others is Data.
DATA = {"table": Columns, "text_folders": Cut, "image_folders": Cut}
PREPROCESS = {
    "text": Annotated[MultiHot | Sequence, Field(discriminator="encoding")],
    "text_folders": Annotated[MultiHot | Sequence, Field(discriminator="encoding")],
    "features": Features,
    "table": Annotated[Table | MultiHot | Sequence, Field(discriminator="encoding")],
    "images": Annotated[Features | Image, Field(discriminator="encoding")],
    "image_folders": Annotated[PixelsOfSize | ImageOfSize, Field(discriminator="encoding")],
}


class Fit(Section):
    """What every fit shares."""

    api: Literal["sequential", "functional"] = "sequential"
    weighting: Literal["binary", "tf_idf", "nb", "standardize", "tabular", "none"]
    optimizer: Literal["rmsprop", "adam", "sgd", "adamw"]
    learning_rate: Positive
    schedule: Literal["constant", "cosine", "exponential"] = "constant"
    momentum: Share = 0.0
    weight_decay: Share = 0.0
    clipnorm: Penalty = 0.0
    batch_size: Whole


class Binary(Fit):
    """A fit to two classes."""

    class_weights: Literal["equal", "balanced"] = "equal"
    label_smoothing: Share = 0.0


class Multiclass(Binary):
    """A fit to more than two classes."""

    labels: Literal["integer", "one_hot"] = "integer"


class Regression(Fit):
    """A fit to numbers."""

    loss: Literal["mse", "mae", "huber"]
    target: Literal["as_it_is", "standardized"] = "as_it_is"


FITS = {"binary": Binary, "multiclass": Multiclass, "regression": Regression}


class Final(Section):
    """The exploring fit and the final ones."""

    exploring_epochs: Whole
    validation: Count
    epochs: Epochs
    seeds: Many


class KFold(Section):
    """The iterated K-fold evaluation. seeds: fits of each fold."""

    k: Annotated[Many, Field(ge=2)]  # folds are stored as int16
    repeats: Whole
    seeds: Many = 1
    epochs: Epochs


class Review(Section):
    """What no stage reads but a sweep."""

    equivalent_within: Positive


class DataSet(Section):
    """All that concerns a data set; the first four follow from its kind, task and network."""

    data: Data
    preprocess: Section
    model: Section
    fit: Fit
    final: Final
    kfold: KFold
    review: Review

    @property
    def task(self) -> Task:
        """The task, with the metrics that were chosen."""
        return chosen(self.data.task, self.data.metrics)


@cache  # equal sections have the same type
def section_type(kind: str, task: str | None, network: str | None) -> type[DataSet]:
    """The type of a section whose data are of this kind, with this task and this network.

    Raises Wrong.
    """
    known = arguments.names()
    if network in known:
        model = arguments.read(network)[0]
    else:  # nothing can be said of its other keys
        model = create_model("Model", network=(Literal[tuple(known)], ...))
    fields = {"data": DATA.get(kind, Data), "preprocess": PREPROCESS[kind], "model": model}
    fields["fit"] = FITS.get(task, dict)
    return create_model(
        "DataSet", __base__=DataSet, **{key: (of, ...) for key, of in fields.items()}
    )


def misfits(section: DataSet, source: sources.Source) -> Iterator[str]:
    """Lines on values that are fine alone and wrong together."""
    if source.kind == "table":
        yield from _of_columns(section, source.reader)
    choices = TASKS[section.data.task].choices
    for name in [name for name in section.data.metrics if name not in choices]:
        expected = f"metrics of the task {section.data.task}, {', '.join(choices)}"
        yield f"data.metrics: expected {expected}; got {name!r}"
    fit, final, preprocess = section.fit, section.final, section.preprocess
    encoding, network = preprocess.encoding, section.model.network
    if fit.weighting not in preprocess.weightings:
        expected = " or ".join(preprocess.weightings)
        given = f"the encoding {encoding}, got {fit.weighting!r}"
        yield f"fit.weighting: expected {expected} for {given}"
    if fit.weighting == "nb" and section.data.task != "binary":
        expected = "binary or tf_idf for more than two classes"
        yield f"fit.weighting: expected {expected}, got {fit.weighting!r}"
    takes, gives = arguments.read(network)[1], preprocess.axes
    if takes and takes != gives:
        wanted, given = f"{network} takes ({', '.join(takes)})", ", ".join(gives)
        yield f"model.network: {wanted}, but the encoding {encoding} gives ({given})"
    if section.kfold.epochs == "best" and getattr(section.data, "time", None):
        why = "beside data.time: later folds would choose"
        yield f"kfold.epochs: expected a number {why}, got 'best'"
    if final.epochs == "best" and not final.validation:
        yield "final.epochs: expected a number where final.validation is 0, got 'best'"
    if getattr(fit, "label_smoothing", 0) and getattr(fit, "labels", "one_hot") != "one_hot":
        yield f"fit.labels: expected one_hot beside label_smoothing, got {fit.labels!r}"
    if fit.momentum and fit.optimizer != "sgd":
        yield f"fit.momentum: expected 0 for {fit.optimizer}, got {fit.momentum}; it belongs to sgd"


def _of_columns(section, reader):
    """Lines on what a section asks of the columns of a table."""
    data, known = section.data, reader.columns
    named = {"target": [data.target], "group": [data.group], "time": [data.time], "drop": data.drop}
    for key, names in named.items():
        for name in [name for name in names if name and name not in known]:
            yield f"data.{key}: expected a column of the source, {', '.join(known)}; got {name!r}"
    for key in ("group", "time", "drop"):
        if data.target in named[key]:
            yield f"data.{key}: expected another column than the target, got {data.target!r}"
    if data.group and data.time:
        yield "data.time: expected none beside data.group: rows are split by one of the two"
    if (data.test == "file") != bool(reader.test_file):
        expected = "file" if reader.test_file else "a share, since the source has no test_file"
        yield f"data.test: expected {expected}, got {data.test!r}"
    if (kind := known.get(data.time)) in ("category", "text"):
        yield f"data.time: expected a date or a number, got a {kind}"
    kinds = [*data.features(known).values()]
    if not kinds:
        yield "data.drop: expected some, and not all, of the columns"
    elif section.preprocess.encoding != "table" and kinds != ["text"]:
        expected = f"a single column of text for the encoding {section.preprocess.encoding}"
        yield f"data.drop: expected it to leave {expected}, got {', '.join(kinds)}"
