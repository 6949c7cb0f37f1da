"""What a data set is: data/sources/<name>.yaml as typed objects. The only definition of a data set.

The file says where the rows come from and how they are read; what is chosen stands in params.yaml.
"""

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import AfterValidator, Field, StrictInt, StrictStr, model_validator

from stages.core.declared import stand_ins, strict_yaml
from stages.core.declared.sections import Section, Whole, checked, said
from stages.core.declared.strict_yaml import SHORT, Wrong

FOLDER = Path("data/sources")
PACKAGE = "package:"
NAME = "[A-Za-z0-9_-][A-Za-z0-9._-]*"  # of a file


def _all_different(items):
    names = [getattr(item, "name", item) for item in items]
    if repeated := [name for name in names if names.count(name) > 1]:
        raise ValueError(f"expected each name once, got {SHORT.repr(repeated[0])} again")
    return items


Text = Annotated[StrictStr, Field(min_length=1)]
Names = Annotated[tuple[Text, ...], AfterValidator(_all_different)]
FileName = Annotated[
    StrictStr,
    Field(pattern=f"^{NAME}$"),
    said("a name of letters, digits, _, - and dots, without folders"),
]
Url = Annotated[
    StrictStr,
    Field(pattern=rf"^(https?://[^\s/]\S*|{PACKAGE}[A-Za-z][A-Za-z0-9_]*(/{NAME})+)$"),
    said(f"an address, https://..., or a path in a package, {PACKAGE}name/folder/file"),
]


Encoding = Literal["utf-8-sig", "utf-16", "windows-1252"]
Kind = Literal["number", "category", "date", "text"]  # of a column


class File(Section):
    """A file: its size in bytes and SHA-256, and where it is.

    url: an address, or "package:" and a path inside an installed package; without it the file
    stands beside the file that names it.
    """

    name: FileName
    size: Annotated[StrictInt, Field(ge=0)]
    sha256: Annotated[StrictStr, Field(pattern="^[0-9a-f]{64}$"), said("64 hexadecimal digits")]
    url: Url | None = None

    @property
    def is_here(self) -> bool:
        """Whether it comes with a package or stands beside its source: nothing to download."""
        return self.url is None or self.url.startswith(PACKAGE)

    @property
    def address(self) -> str:
        """The URL, or the path of a file that is here."""
        if self.url is None:
            return str(FOLDER / self.name)
        if not self.is_here:
            return self.url
        package, _, path = self.url.removeprefix(PACKAGE).partition("/")
        found = find_spec(package)  # None where it is not installed
        folders = found.submodule_search_locations if found else None
        return str(Path(next(iter(folders or [package])), path))


class WordRanks(Section):
    """Documents as lists of word ranks in an .npz file, with an index of words."""

    kind: ClassVar = "text"
    format: Literal["word_ranks"]
    file: FileName
    word_index: FileName


class Arrays(Section):
    """x (rows, features) and y (rows,) in an .npz file."""

    kind: ClassVar = "features"
    format: Literal["arrays"]
    file: FileName


class Pixels(Section):
    """A gzipped line for each image: its pixels, row by row, and its class."""

    kind: ClassVar = "images"
    format: Literal["pixels"]
    file: FileName
    shape: stand_ins.Shape
    highest: Whole


class Table(Section):
    """Rows with named columns: lines of CSV or of JSON, gzipped or not, or Parquet.

    columns: what each column is; others are not read. test_file: the rows of the test, where they
    have a file of their own. missing: words for cells without a value. dates: how they are written.
    separator, encoding: of CSV. decimal: the mark in numbers. signs: characters in numbers that say
    nothing, such as $ and the comma of 1,000.
    """

    kind: ClassVar = "table"
    format: Literal["table"]
    file: FileName
    test_file: FileName | None = None
    layout: Literal["csv", "json_lines", "parquet"] = "csv"
    separator: Annotated[StrictStr, Field(min_length=1, max_length=1)] = ","
    decimal: Literal[".", ","] = "."
    signs: StrictStr = ""
    encoding: Encoding = "utf-8-sig"
    missing: tuple[StrictStr, ...] = ()
    dates: Literal["ISO8601", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y"] = "ISO8601"
    columns: Annotated[dict[Text, Kind], Field(min_length=2)]

    @model_validator(mode="after")
    def _signs(self):
        if odd := set(self.signs) & {*"0123456789+-eE", self.decimal}:
            got = "".join(sorted(odd))
            raise ValueError(f"expected characters in signs that say nothing, not {got!r}")
        return self


class TextFolders(Section):
    """A ZIP archive with a folder for each class and a file for each document."""

    kind: ClassVar = "text_folders"
    format: Literal["text_folders"]
    file: FileName
    encoding: Encoding = "utf-8-sig"


class ImageFolders(Section):
    """A ZIP archive with a folder for each class and a PNG or JPEG file for each image."""

    kind: ClassVar = "image_folders"
    format: Literal["image_folders"]
    file: FileName
    highest: ClassVar = 255


Reader = Annotated[
    WordRanks | Arrays | Pixels | Table | TextFolders | ImageFolders, Field(discriminator="format")
]
STAND_INS = {"text": stand_ins.Text, "features": stand_ins.Features, "images": stand_ins.Images}


class Source(Section):
    """One data set.

    about, terms: for people. classes: names, in the order of the numbers. columns: names of the
    features. unit: of a target that is a number. stand_in: numbers for the generator of its kind.
    """

    title: Text
    about: str = ""
    terms: str = ""
    reader: Reader
    classes: Names = ()
    columns: Names = ()
    unit: str = ""
    files: Annotated[list[File], Field(min_length=1), AfterValidator(_all_different)]
    stand_in: dict | None = None

    @property
    def kind(self) -> str:
        """text, features, images, table, text_folders or image_folders."""
        return self.reader.kind

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns of a person's rows; none for text and where nobody named them."""
        if self.kind == "table":
            return tuple(self.reader.columns)
        if self.kind != "images":
            return self.columns
        height, width = self.reader.shape
        return tuple(f"pixel_{row}_{column}" for row in range(height) for column in range(width))

    def scaled(self, rows):
        """Rows as networks take them: pixels divided to be from 0 to 1, all else as it is."""
        highest = getattr(self.reader, "highest", None)
        return rows / np.float32(highest) if highest else rows

    def impossible(self, rows: np.ndarray) -> np.ndarray:
        """Which measured values no pixel can have, (rows, ...) bool; False for features."""
        if self.kind != "images":
            return np.zeros(rows.shape, bool)
        return (rows < 0) | (rows > self.reader.highest) | (rows != np.rint(rows))


def parse(document: str | bytes) -> Source:
    """The data set that this YAML text describes.

    Raises Wrong with a line for each wrong key: its path, what was expected, what it is.
    """
    source = checked(Source, strict_yaml.read(document))
    listed = [file.name for file in source.files]
    for key in ("file", "word_index", "test_file"):
        if (named := getattr(source.reader, key, None)) not in [None, *listed]:
            expected = f"one of `files`, {', '.join(listed)}"
            raise Wrong(f"reader.{key}: expected {expected}, got {named!r}")
    if source.stand_in is None:
        return source
    if source.kind not in STAND_INS:
        raise Wrong(f"stand_in: there are none for a {source.kind}; remove the key")
    numbers = checked(STAND_INS[source.kind], source.stand_in, "stand_in")
    return source.model_copy(update={"stand_in": numbers})


def names() -> list[str]:
    """The data sets that there are."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def path_of(name: str) -> Path:
    """Where a data set is described."""
    return FOLDER / f"{name}.yaml"


def read(name: str) -> Source:
    """The data set of this name. Raises Wrong, which names the file."""
    try:
        return _parsed(path_of(name).read_bytes())
    except OSError as error:
        raise Wrong(f"{path_of(name)} cannot be read: {error}") from error
    except Wrong as error:
        raise Wrong(*(f"{path_of(name)}: {line}" for line in error.args)) from error


_parsed = cache(parse)
