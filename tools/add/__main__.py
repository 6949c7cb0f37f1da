"""Add a table of one's own: look at a file, and write what the pipeline needs to know of it.

    python -m tools.add passengers.csv --target survived

Copies the file into data/sources/, writes data/sources/<name>.yaml and a section of params.yaml,
and says what it took each column for. Both are meant to be read and edited.
"""

import re
import shutil
from hashlib import sha256
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

if not __package__:
    raise SystemExit("to run tools/add: python -m tools.add FILE --target COLUMN")

from stages.core.data import tables
from stages.core.data.arrays import UnreadableFile
from stages.core.declared import params, sources
from stages.core.declared.sources import Table
from stages.core.declared.strict_yaml import SHORT, Wrong
from stages.core.run.stage import parser_of, tool
from tools.add import traps

SEPARATORS = ",;\t|"
LINES = 200  # of a file, from which its separator is guessed
NUMBER = {
    mark: re.compile(
        rf"[+-]?([0-9]+{re.escape(mark)}?[0-9]*|{re.escape(mark)}[0-9]+)([eE][+-]?[0-9]+)?"
    )
    for mark in ".,"
}
DATES = {  # as `reader.dates` has them, in the order in which they are tried
    "ISO8601": r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([T ].*)?",
    "%d.%m.%Y": r"[0-9]{1,2}\.[0-9]{1,2}\.[0-9]{4}",
    "%d/%m/%Y": r"[0-9]{1,2}/[0-9]{1,2}/[0-9]{4}",
    "%m/%d/%Y": r"[0-9]{1,2}/[0-9]{1,2}/[0-9]{4}",
}
ABSENT = "NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "None", "?", "-"  # words for no value
CODE = re.compile("0[0-9]+")  # a postcode, which is no number
MANY = 0.5  # share of the rows that have a category of their own: names, not categories
RARE = 10  # rows of a class: each fold, and the test rows, need some
CLASSES = 20  # of a target, at most, where it is whole numbers


def encoding_of(content: bytes) -> str:
    """The encoding of a file: UTF-8, UTF-16 by its mark, else Windows' Western one."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    try:
        content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return "windows-1252"
    return "utf-8-sig"


def separator_of(text: str) -> str:
    """The separator that cuts the first lines into the most columns, as many in each."""
    lines = [line for line in text.splitlines()[:LINES] if line.strip()]
    best, most = ",", 0
    for mark in SEPARATORS:
        counts = {re.sub(r'"[^"]*"', "", line).count(mark) for line in lines}
        if len(counts) == 1 and (count := counts.pop()) > most:
            best, most = mark, count
    return best


def decimal_of(frame: pd.DataFrame, separator: str) -> str:
    """The mark of decimals: a comma where more columns are numbers with it than with a point."""
    if separator == ",":
        return "."
    counts = {mark: sum(_all(frame[name], NUMBER[mark]) for name in frame) for mark in NUMBER}
    return max(counts, key=counts.get)


def missing_of(frame: pd.DataFrame) -> list[str]:
    """Words for a cell without a value: NA, and those among the numbers of a column."""
    found = {"NA"} if (frame == "NA").any(axis=None) else set()
    for name in frame:
        cells = frame[name].dropna()
        words = cells[cells.isin(ABSENT)]
        others = cells[~cells.isin(ABSENT)]
        if len(words) and any(_all(others, pattern) for pattern in NUMBER.values()):
            found |= set(words)
    return sorted(found)


def dates_of(frame: pd.DataFrame) -> str:
    """How the dates of a file are written: the first way in which a column is dates."""
    for written in DATES:
        if any(_are_dates(frame[name], written) for name in frame):
            return written
    return "ISO8601"


def _are_dates(column, written) -> bool:
    if not _all(column, re.compile(DATES[written])):
        return False
    try:
        return len(tables.dates(column, written)) > 0
    except UnreadableFile:
        return False


def _all(column, pattern) -> bool:
    """Whether each cell that is there is of this form."""
    cells = column.dropna()
    return bool(len(cells)) and bool(cells.str.fullmatch(pattern).all())


def kind_of(column: pd.Series, decimal: str, written: str) -> tuple[str | None, str]:
    """What a column is taken for, or None for none, and why.

    column: text, NaN where a cell is empty.
    """
    cells = column.dropna()
    different = cells.nunique()
    if different < 2:
        return None, "one value in all rows" if different else "no value"
    if _all(cells, NUMBER[decimal]) and not cells.str.fullmatch(CODE).any():
        steps = np.diff(pd.to_numeric(cells.str.replace(",", ".")).to_numpy())
        if different == len(column) and (steps == 1).all():
            return None, "numbers the rows"
        return "number", ""
    if _are_dates(column, written):
        return "date", f"written as {written}"
    if different > MANY * len(cells) and different > CLASSES:
        return None, f"{different:,} different texts in {len(cells):,} rows: names, or sentences"
    return "category", f"{different:,} categories"


def task_of(target: pd.Series, decimal: str) -> str:
    """binary, multiclass or regression."""
    cells = target.dropna()
    different = cells.nunique()
    if different == 2:
        return "binary"
    whole = _all(cells, re.compile("[+-]?[0-9]+"))
    if _all(cells, NUMBER[decimal]) and not (whole and different <= CLASSES):
        return "regression"
    return "multiclass"


def source_of(title, reader, classes, content) -> dict:
    """The content of data/sources/<name>.yaml."""
    file = {"name": reader["file"], "size": len(content), "sha256": sha256(content).hexdigest()}
    named = {"classes": classes} if classes else {}
    return {"title": title, "reader": reader, **named, "files": [file]}


def section_of(task: str, rows: int, within: float = 0.005) -> dict:
    """A section of params.yaml for a table with so many rows, good without tuning.

    Sizes are those that did best over tables of 189 to 54,000 rows. within: the difference of the
    main metric that is too small to matter.
    """
    training = int(0.8 * rows)
    epochs = int(np.clip(200_000 / training**0.75, 10, 60))
    small = training < 20_000
    return {
        "data": {"task": task},
        "preprocess": {"encoding": "table"},
        "model": {
            "network": "dense",
            "units": [64, 64] if small else [128, 128],
            "activation": "relu",
            "dropout": 0.1 if small else 0.0,
        },
        "fit": {
            "weighting": "tabular",
            **({"loss": "mae", "target": "standardized"} if task == "regression" else {}),
            "optimizer": "adamw",
            "learning_rate": 0.001,
            "schedule": "cosine",
            "weight_decay": 0.01,
            "batch_size": int(np.clip(2 ** round(np.log2(training / 20)), 16, 256)),
        },
        "final": {
            "exploring_epochs": epochs,
            "validation": training // 5,
            "epochs": epochs,
            "seeds": 3,
        },
        "kfold": {"k": 4, "repeats": 5 if small else 1, "epochs": epochs},
        "review": {"equivalent_within": within},
    }


def looked_at(content: bytes, file: str, target: str):
    """What is found in a file: the reader, the classes, the section, and lines for people.

    Raises UnreadableFile.
    """
    text = tables.unpacked(content)
    encoding = encoding_of(text)
    separator = separator_of(text[: 2**20].decode(encoding, errors="replace"))
    reader = {"format": "table", "file": file, "separator": separator}
    reader |= {"decimal": ".", "encoding": encoding, "missing": [], "dates": "", "target": target}
    frame = tables.read(content, Table.model_construct(**reader))
    if frame.shape[1] < 2:
        raise UnreadableFile("expected two columns or more, separated by one of , ; | or a tab")
    reader["missing"] = missing_of(frame)
    frame = frame.mask(frame.isin(reader["missing"]))
    everything = len(frame)
    tables.chosen(frame, [target])
    frame = frame[frame[target].notna()]
    if frame[target].nunique() < 2:
        got = SHORT.repr(frame[target].unique().tolist())
        raise UnreadableFile(f"expected two values or more in column {target}, got {got}")
    reader["decimal"] = decimal = decimal_of(frame, separator)
    reader["dates"], reader["columns"] = dates_of(frame), {}
    task = task_of(frame[target], decimal)
    classes = _classes(frame[target]) if task != "regression" else []
    passed = everything - len(frame)
    says = [f"rows without {target}, which are passed over: {passed:,}"] if passed else []
    says += [f"{target}: predicted, {task}{f' ({len(classes)} classes)' if classes else ''}"]
    for name in frame.columns.drop(target):
        kind, why = kind_of(frame[name], decimal, reader["dates"])
        missing = f"{frame[name].isna().mean():.0%} missing" if frame[name].isna().any() else ""
        what = [kind or "left out", *filter(None, (why, missing))]
        says.append(f"{name}: {', '.join(what)}")
        if kind:
            reader["columns"][name] = kind
    if not reader["columns"]:
        raise UnreadableFile("there is no column to predict from")
    says += [f"take care: {trap}" for trap in traps.found(frame, reader, task)]
    within = 0.005
    if task == "regression":  # a hundredth of the deviation, with one digit
        within = float(f"{tables.numbers(frame[target], decimal).std() / 100:.1g}")
    return reader, classes, section_of(task, len(frame), within), says, len(frame)


def _classes(target) -> list[str]:
    """The classes of a target, each with rows enough for folds. Raises UnreadableFile."""
    counts = target.value_counts()
    if len(rare := counts[counts < RARE]):
        shown = SHORT.repr(rare.to_dict())
        raise UnreadableFile(
            f"expected {RARE} rows or more of each class in column {target.name}, got {shown}: "
            "leave these rows out, or join classes"
        )
    return sorted(counts.index, key=_natural)


def _natural(text):
    """A key that sorts whole numbers as numbers."""
    return (0, int(text), "") if re.fullmatch("[+-]?[0-9]{1,18}", text) else (1, 0, text)


def main():
    """Write the two pieces of YAML, or say why not."""
    parser = parser_of(main)
    parser.add_argument("file", type=Path)
    parser.add_argument("--target", required=True, help="the column to predict")
    parser.add_argument("--name", help="of the data set; that of the file if there is none")
    asked = parser.parse_args()
    name = asked.name or re.sub(r"[^A-Za-z0-9_-]+", "_", asked.file.name.partition(".")[0])
    kept = sources.FOLDER / f"{name}{''.join(asked.file.suffixes[-2:])}"
    if not re.fullmatch(params.NAME, name):
        raise SystemExit(f"--name: expected letters, digits, _ and -, got {name!r}")
    known, copied = params.load().datasets, asked.file.resolve() != kept.resolve()
    if name in known or sources.path_of(name).exists() or (copied and kept.exists()):
        raise SystemExit(f"there is a data set {name} already; choose another --name")
    before = params.PATH.read_text("utf-8")
    try:
        content = asked.file.read_bytes()
        reader, classes, chosen, says, rows = looked_at(content, kept.name, asked.target)
    except OSError as error:
        raise SystemExit(f"{asked.file} cannot be read: {error}") from None
    except UnreadableFile as error:
        raise SystemExit(f"{asked.file}: {error}") from None
    source = source_of(name.replace("_", " ").capitalize(), reader, classes, content)
    section = yaml.safe_dump({name: chosen}, sort_keys=False)
    if copied:
        shutil.copyfile(asked.file, kept)
    text = yaml.safe_dump(source, sort_keys=False, allow_unicode=True)
    sources.path_of(name).write_text(text, "utf-8")
    after = f"{before.rstrip()}\n\n" + "".join(f"  {line}\n" for line in section.splitlines())
    try:
        params.parse(after)
    except Wrong as error:
        for made in [kept] * copied + [sources.path_of(name)]:
            made.unlink()
        raise SystemExit(f"{params.PATH} cannot be extended: {error}") from None
    params.PATH.write_text(after, "utf-8")
    found = (f"{key} {reader[key]!r}" for key in ("encoding", "separator", "decimal", "missing"))
    print(f"{rows:,} rows; {', '.join(found)}")
    print("\n".join(f"  {line}" for line in says))
    print(f"wrote {sources.path_of(name)}, and datasets.{name} in {params.PATH}")
    print(f"next: git add {kept} (or dvc add, where it is large); dvc repro evaluate@{name}")


if __name__ == "__main__":
    tool(main)
