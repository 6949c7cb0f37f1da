"""Add a data set of one's own: look at it, and write what the pipeline needs to know.

    python -m tools.add passengers.csv --target survived      CSV, TSV, JSON lines or Parquet
    python -m tools.add reviews/                              a folder a class of texts
    python -m tools.add flowers/                              a folder a class of images

Copies the file, or an archive of the folder, into data/sources/, writes data/sources/<name>.yaml
and a section of params.yaml, and says what it took each column for. Both are meant to be read and
edited.
"""

import re
from contextlib import ExitStack
from pathlib import Path

if not __package__:
    raise SystemExit("to run tools/add: python -m tools.add FILE --target COLUMN")

from stages.core.data import frames, tables
from stages.core.data.arrays import UnreadableFile
from stages.core.declared import params, sources, strict_yaml
from stages.core.declared.sources import Table
from stages.core.declared.strict_yaml import Wrong
from stages.core.declared.task import TASKS
from stages.core.run.files import whole
from stages.core.run.stage import parser_of, tool
from tools.add import folders, look, sections

KINDS = "number", "category", "date", "text"


def arguments(parser):
    """What a person asked for."""
    parser.add_argument("path", type=Path, metavar="file", help="or a folder of folders")
    parser.add_argument("--target", help="the column to predict, of a table")
    parser.add_argument("--name", help="of the data set; that of the file if there is none")
    parser.add_argument("--task", choices=TASKS, help="what is predicted; guessed if not given")
    parser.add_argument("--group", help="column whose rows of a value stay together")
    parser.add_argument("--time", help="column by which the past predicts the future")
    parser.add_argument("--test", help="share of the rows for the test, 0 for none, or a file")
    parser.add_argument("--drop", nargs="+", default=(), help="columns to leave out")
    for kind in KINDS:
        parser.add_argument(
            f"--{kind}", nargs="+", default=(), help=f"columns to take for a {kind}"
        )
    return parser.parse_args()


def share_or_file(test: str | None) -> tuple[float | str, Path | None]:
    """`data.test`, and the file of the test rows where it is one. Exits for other shares."""
    if test is None:
        return sections.SHARE, None
    try:
        share = float(test)
    except ValueError:
        return "file", Path(test)
    if not 0 <= share < 1:
        raise SystemExit(f"--test: expected a share from 0 below 1, or a file, got {test}")
    return share, None


def must_have_columns(asked, test: Path | None):
    """Raise UnreadableFile for options of columns where there are none."""
    if not (asked.path.is_dir() or asked.path.suffix == ".zip"):
        return
    options = "target", "task", "group", "time", "drop", *KINDS
    given = [f"--{option}" for option in options if getattr(asked, option)]
    if given := [*given, *["--test FILE"] * bool(test)]:
        what = "the folder of a file is its class, and it has no columns"
        raise UnreadableFile(f"expected no {', '.join(given)}: {what}")


def contents(asked, name: str, test: Path | None) -> dict[str, bytes]:
    """{name in data/sources: content} of what is added. Raises OSError and UnreadableFile."""
    if asked.path.is_dir():
        return {f"{name}.zip": folders.packed(asked.path)}
    found = {f"{name}{_ending(asked.path)}": asked.path.read_bytes()}
    return found | ({f"{name}_test{_ending(test)}": test.read_bytes()} if test else {})


def _ending(path):
    return "".join(path.suffixes[-2:] if path.suffix == ".gz" else path.suffixes[-1:])


def looked_at(asked, files: dict[str, bytes]) -> tuple[look.Found, look.Asked | None]:
    """What the files hold, and what was asked of a table. Raises UnreadableFile."""
    (file, content), *test = files.items()
    if file.endswith(".zip"):
        return folders.looked_at(content, file), None
    if not asked.target:
        raise UnreadableFile("expected --target COLUMN, the column to predict")
    kinds = {column: kind for kind in KINDS for column in getattr(asked, kind)}
    drop = tuple(asked.drop)
    table = look.Asked(asked.target, asked.task, asked.group, asked.time, drop, kinds)
    found = look.looked_at(content, file, table)
    for name, rows in test:  # it has the same columns, or this says what it lacks
        found.reader["test_file"] = name
        reader = Table.model_construct(**found.reader)
        try:
            tables.chosen(frames.read(rows, reader), reader.columns)
        except UnreadableFile as error:
            raise UnreadableFile(f"in the rows of --test: {error}") from None
    return found, table


def already() -> tuple[str, dict]:
    """What params.yaml holds, and its sections. Exits where it cannot be used."""
    params.must_be_here()
    try:
        before = params.PATH.read_text("utf-8")
        content = strict_yaml.read(before)
        if not isinstance(content, dict) or "datasets" not in content:
            raise Wrong("datasets: the key is missing")
    except (OSError, Wrong) as error:
        raise SystemExit(f"{params.PATH} cannot be used: {error}") from None
    return before, content["datasets"] or {}


def named(asked, present) -> str:
    """The name of the data set. Exits where it cannot be one, or is taken. present: those known."""
    given = asked.name or re.sub(
        r"[^A-Za-z0-9_-]+", "_", asked.path.resolve().name.partition(".")[0]
    )
    if not re.fullmatch(params.NAME, given):
        expected = "letters, digits, _ and -, a letter first"
        raise SystemExit(f"--name: expected {expected}, got {given!r}")
    if given in present or sources.path_of(given).exists():
        raise SystemExit(f"there is a data set {given} already; choose another --name")
    return given


def write(name: str, source: dict, section: dict, before: str, files: dict[str, bytes]):
    """Write the files, the source and the section, or nothing. Exits where they do not go in.

    before: what params.yaml holds.
    """
    after = sections.extended(before, sections.written(name, section))
    text = strict_yaml.write(source)
    try:
        params.parse(after, {name: sources.parse(text)})
    except Wrong as error:
        raise SystemExit(f"{params.PATH} cannot be extended: {error}") from None
    with ExitStack() as stack:  # all take their places at its end
        for file, content in files.items():
            if (place := sources.FOLDER / file).exists() and place.read_bytes() != content:
                raise SystemExit(f"there is another {place} already; choose another --name")
            stack.enter_context(whole(place.resolve())).write_bytes(content)
        stack.enter_context(whole(sources.path_of(name).resolve())).write_text(text, "utf-8")
        stack.enter_context(whole(params.PATH.resolve())).write_text(after, "utf-8")


def main():
    """Write the two pieces of YAML, or say why not."""
    asked = arguments(parser_of(main))
    before, present = already()
    name, (test, path) = named(asked, present), share_or_file(asked.test)
    try:
        must_have_columns(asked, path)
        files = contents(asked, name, path)
        found, table = looked_at(asked, files)
    except OSError as error:
        raise SystemExit(f"{error.filename or asked.path} cannot be read: {error}") from None
    except UnreadableFile as error:
        raise SystemExit(f"{asked.path}: {error}") from None
    source = sections.source_of(name.replace("_", " ").capitalize(), found, files)
    write(name, source, sections.section_of(found, table, test), before, files)
    keys = ("layout", "encoding", "separator", "decimal", "signs", "missing")
    how = [f"{key} {found.reader[key]!r}" for key in keys if found.reader.get(key)]
    print(", ".join([f"{found.rows:,} rows", *how]))
    print("\n".join(f"  {line}" for line in found.says))
    print(f"wrote {sources.path_of(name)}, and datasets.{name} in {params.PATH}")
    kept = " ".join(str(sources.FOLDER / file) for file in files)
    git = f"git add {params.PATH} {sources.path_of(name)} {kept}"
    print(f"next: dvc repro evaluate@{name}; {git} (or dvc add, where it is large)")


if __name__ == "__main__":
    tool(main)
