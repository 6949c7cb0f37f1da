"""What a data set is: data/sources/<name>.yaml as typed objects. The only definition of a data set.

The file says where the rows come from and how they are read; what is chosen stands in params.yaml.
"""

import importlib.util
import re
from functools import cache
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import AfterValidator, Field, StrictInt, StrictStr, ValidationError

from stages.core.declared.sections import Section, problems
from stages.core.run import strict_yaml
from stages.core.run.strict_yaml import SHORT

FOLDER = Path("data/sources")
PACKAGE = "package:"

Text = Annotated[StrictStr, Field(min_length=1)]
Size = Annotated[StrictInt, Field(ge=1, lt=2**31)]


class WrongSource(ValueError):
    """The file of a data set holds something that no stage can use; a line for each key."""


def _all_different(names):
    if repeated := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
        raise ValueError(f"expected each name once, got {SHORT.repr(repeated[0])} again")
    return names


def _sha256(text):
    if not re.fullmatch("[0-9a-f]{64}", text):
        raise ValueError("expected 64 hexadecimal digits")
    return text


def _file_name(text):
    if not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]*", text):
        raise ValueError("expected a name of letters, digits, _, - and dots, without folders")
    return text


def _url(text):
    if not text.startswith(("https://", "http://", PACKAGE)):
        raise ValueError("expected an address, https://..., or a path in a package, package:...")
    return text


def _some(files):
    if not files:
        raise ValueError("expected at least one file")
    return files


FileName = Annotated[StrictStr, AfterValidator(_file_name)]
Names = Annotated[tuple[Text, ...], AfterValidator(_all_different)]


class File(Section):
    """A file: its size in bytes and SHA-256, and where it is.

    url: an address, or "package:" and a path inside an installed package; without it the file lies
    beside the file that names it.
    """

    name: FileName
    size: Annotated[StrictInt, Field(ge=0)]
    sha256: Annotated[StrictStr, AfterValidator(_sha256)]
    url: Annotated[StrictStr, AfterValidator(_url)] | None = None

    @property
    def is_here(self) -> bool:
        """Whether it comes with a package or lies beside its source: nothing to download."""
        return self.url is None or self.url.startswith(PACKAGE)

    @property
    def address(self) -> str:
        """The URL, or the path of a file that is here."""
        if self.url is None:
            return str(FOLDER / self.name)
        if not self.is_here:
            return self.url
        package, _, path = self.url.removeprefix(PACKAGE).partition("/")
        found = importlib.util.find_spec(package)
        return str(Path(found.origin if found else package).parent / path)


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
    shape: tuple[Size, Size]
    highest: Size


class Source(Section):
    """One data set.

    about, terms: for people. classes: names, in the order of the numbers. columns: names of the
    features. unit: of a target that is a number. stand_in: arguments of the generator of its kind.
    """

    title: Text
    about: str = ""
    terms: str = ""
    reader: Annotated[WordRanks | Arrays | Pixels, Field(discriminator="format")]
    classes: Names = ()
    columns: Names = ()
    unit: str = ""
    files: Annotated[tuple[File, ...], AfterValidator(_some)]
    stand_in: dict[str, object] | None = None

    @property
    def kind(self) -> str:
        """text, features or images."""
        return self.reader.kind

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns of a person's rows; none for text and where nobody named them."""
        if self.kind != "images":
            return self.columns
        height, width = self.reader.shape
        return tuple(f"pixel_{row}_{column}" for row in range(height) for column in range(width))

    def scaled(self, rows):
        """Rows as networks take them: pixels divided to be from 0 to 1, all else as it is."""
        return rows / np.float32(self.reader.highest) if self.kind == "images" else rows

    def impossible(self, rows: np.ndarray) -> np.ndarray:
        """Which measured values no pixel can have, (rows, ...) bool; False for features."""
        if self.kind != "images":
            return np.zeros(rows.shape, bool)
        return (rows < 0) | (rows > self.reader.highest) | (rows != np.rint(rows))


def parse(document: str | bytes) -> Source:
    """The data set that this YAML text describes.

    Raises WrongSource with a line for each wrong key: its path, what was expected, what it is.
    """
    try:
        content = strict_yaml.read(document)
        if not isinstance(content, dict):
            raise WrongSource(f"expected keys and values, got {SHORT.repr(content)}")
        source = Source.model_validate(content)
    except strict_yaml.NotYaml as error:
        raise WrongSource(str(error)) from error
    except ValidationError as error:
        raise WrongSource("\n".join(problems(Source, error))) from error
    listed = [file.name for file in source.files]
    for key in ("file", "word_index"):
        if (named := getattr(source.reader, key, listed[0])) not in listed:
            raise WrongSource(
                f"reader.{key}: expected one of `files`, {', '.join(listed)}, got {named!r}"
            )
    return source


def names() -> list[str]:
    """The data sets that there are."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def path_of(name: str) -> Path:
    """Where a data set is described."""
    return FOLDER / f"{name}.yaml"


def read(name: str) -> Source:
    """The data set of this name. Raises WrongSource, which names the file, and OSError."""
    return _read(path_of(name).read_bytes(), path_of(name))


@cache
def _read(content, path):
    try:
        return parse(content)
    except WrongSource as error:
        raise WrongSource(
            "\n".join(f"{path}: {line}" for line in str(error).splitlines())
        ) from error
