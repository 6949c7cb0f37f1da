"""The numbers under `stand_in` of a source, by kind of data; `data.synthetic` says what they do."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StrictBool, model_validator

from stages.core.declared.sections import Count, Number, Penalty, Positive, Section, Share, Whole

Many = Annotated[Whole, Field(le=10**7)]  # of what is made and kept in memory
Counts = Annotated[list[Annotated[Count, Field(le=10**7)]], Field(min_length=1)]
Side = Annotated[Whole, Field(le=1024)]  # pixels of an image: each has a name
Shape = tuple[Side, Side]  # height and width
Decimals = Annotated[Count, Field(le=15)]
Part = Annotated[Share, Field(gt=0)]
Correlation = Annotated[Number, Field(ge=-1, le=1)]


def _in_order(column):
    mean, _, low, high, *_ = column
    if not low < mean < high:
        raise ValueError("expected minimum < mean < maximum")
    return column


# Mean, standard deviation, minimum, maximum, decimals, loading, weight.
Column = Annotated[
    tuple[Number, Positive, Number, Number, Decimals, Correlation, Number],
    AfterValidator(_in_order),
]


class Length(Section):
    """Words in a document, log-normal above `shift`; sigma: of the logarithm."""

    median: Positive
    sigma: Annotated[Penalty, Field(le=10)]
    shift: Penalty
    maximum: Annotated[Whole, Field(le=10**5)]


class Zipf(Section):
    """Share of the words that have rank r: (r + shift) ** -exponent * exp(-r / cutoff)."""

    exponent: Annotated[Penalty, Field(le=10)]
    shift: Penalty
    cutoff: Annotated[Number, Field(ge=1)]


class Signal(Section):
    """How classes show. Of a document's words, a share drawn from a beta distribution (mean
    `share`; the higher `concentration`, the more alike documents are) follows its class, which
    raises or lowers the rate of each word but the `common` commonest by a log-normal factor
    (sigma `spread`). repeats: share of words that occurred before in their document.
    """

    common: Count
    spread: Annotated[Penalty, Field(le=10)]
    share: Part
    concentration: Positive
    repeats: Share


class Text(Section):
    """Documents with a class each.

    splits: {suffix of the array names: documents of class 0, 1, ...}; together they need
    `vocabulary` words or more. grouped: the documents of a class stand together, last class first;
    otherwise they are mixed.
    """

    splits: Annotated[dict[Literal["", "_train", "_test"], Counts], Field(min_length=1)]
    grouped: StrictBool
    vocabulary: Many
    length: Length
    zipf: Zipf
    signal: Signal


class Target(Section):
    """Log-normal (sigma: of the logarithm), clipped to `low` and `high`, rounded; `noise` is its
    unexplained part, in deviations of the explained part.
    """

    median: Positive
    sigma: Annotated[Penalty, Field(le=10)]
    low: Number
    high: Number
    decimals: Decimals
    noise: Penalty

    @model_validator(mode="after")
    def _ends(self):
        if self.low > self.high:
            raise ValueError("expected low <= high")
        return self


class Features(Section):
    """Rows of numbers with a target that depends on them.

    A column is a beta distribution with these moments and limits, rounded; `loading` is its
    correlation, before it takes that shape, with the one factor that all columns share; `weight` is
    its linear effect on the target. interactions: {"column * column": effect of the product of the
    two on the target}.
    """

    rows: Many
    columns: Annotated[dict[str, Column], Field(min_length=1)]
    interactions: dict[str, Number]
    target: Target

    @model_validator(mode="after")
    def _pairs(self):
        for pair in self.interactions:
            if len(names := pair.split(" * ")) != 2 or not {*names} <= {*self.columns}:
                raise ValueError(f"expected `column * column` in interactions, not {pair!r}")
        return self


class Images(Section):
    """Small images with a class each. contrast: of the pattern of the class. noise: standard
    deviation in each pixel, as a share of the highest value.
    """

    rows: Many
    shape: Shape
    highest: Whole
    classes: Annotated[Whole, Field(le=2**15)]
    contrast: Number
    noise: Penalty
