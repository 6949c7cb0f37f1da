"""What tools.add takes of a file, and what it writes."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from stages.core.data.arrays import UnreadableFile
from stages.core.declared import params, sources, strict_yaml
from stages.core.declared.sources import Table
from tools.add import __main__ as add
from tools.add import folders, look, sections

READER = Table.model_construct(format="table", file="people.csv")
PEOPLE = "age,town,joined,member,card\n" + "".join(
    f"{20 + row % 40},{['Ulm', 'Bonn', 'Rome'][row % 3]},2024-01-{row % 28 + 1:02d},"
    f"{'yes' if row % 5 else 'no'},{1000 + row}\n"
    for row in range(60)
)


def looked_at(text, target, encoding="utf-8", file="people.csv", **asked):
    return look.looked_at(text.encode(encoding), file, look.Asked(target, **asked))


def kept(found, target):
    """The columns to predict from, with their kinds."""
    return {name: kind for name, kind in found.reader["columns"].items() if name != target}


def test_columns_are_taken_for_what_they_are():
    found = looked_at(PEOPLE, "member")
    assert kept(found, "member") == {"age": "number", "town": "category", "joined": "date"}
    assert (found.task, found.rows) == ("binary", 60)
    assert any(
        line.split() == ["card", "left", "out", "numbers", "the", "rows"] for line in found.says
    )


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "windows-1252"])
def test_separators_decimals_and_encodings_are_found(encoding):
    text = "preis;fläche;ort\n" + "".join(f"{40000 + 7 * row};{row},5;Köln\n" for row in range(30))
    found = looked_at(text + "1;2,5;Bonn\n", "preis", encoding)
    reader = found.reader
    assert (reader["separator"], reader["decimal"], found.task) == (";", ",", "regression")
    assert kept(found, "preis") == {"fläche": "number", "ort": "category"}


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["1", "2.5", "-3e4", "2"], "number"),
        (["01234", "09999", "01234", "55555"], "category"),  # postcodes
        (["2024-01-31", "1999-12-01 10:00", "2024-01-31", "2000-1-1"], "date"),
        (["true", "false", "true", "true"], "category"),
        (["31.12.2023", "01.02.2024", "31.12.2023", "5.5.2024"], "category"),  # file of ISO dates
        (["x", "x", "x", "x"], None),
        ([f"name {row}" for row in range(50)], None),
        ([str(row) for row in range(5, 55)], None),
        ([str(row * row) for row in range(50)], "number"),
    ],
)
def test_a_column_is_of_one_kind(cells, kind):
    found, _ = look.kind_of(pd.Series(cells, dtype="object"), READER)
    assert found == kind


@pytest.mark.parametrize(
    ("cells", "task"),
    [
        (["0", "1", "0"], "binary"),
        (["a", "b", "c"], "multiclass"),
        (["1", "2", "3"], "multiclass"),
        (["1.5", "2.5", "3"], "regression"),
        ([str(row) for row in range(100)], "regression"),
    ],
)
def test_the_task_follows_from_the_target(cells, task):
    assert look.task_of(pd.Series(cells, dtype="object"), READER) == task


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a\n1\n2\n", "two columns or more"),
        ("a,b\n1,2\n3,4\n", "expected a column 'member'"),
        ("a,member\n" + "x,1\nx,2\n" * 20, "no column to predict from"),
        ("a,member\n1,yes\n2,yes\n", r"two values or more in column member, got \['yes'\]"),
        ("a,member\n" + "1,no\n2,yes\n" * 20 + "3,so\n", "10 rows or more of each class.*'so': 1"),
        ("a;member\n1;42000\n1,5;38500\n", "10 rows or more of each class.*--task regression"),
        ("age,member\n29,1\n,0\n", "no column to predict from"),
        ("", "got no row"),
    ],
)
def test_what_cannot_be_added_is_refused(text, says):
    with pytest.raises(UnreadableFile, match=says):
        looked_at(text, "member")


@pytest.mark.parametrize("target", ["member", "town", "age"])
@pytest.mark.parametrize("rows", [60, 100_000])
def test_what_is_written_is_a_section_and_a_source(target, rows, tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "FOLDER", tmp_path)
    found = replace(looked_at(PEOPLE, target), rows=rows)
    section = sections.section_of(found, look.Asked(target))
    source = sections.source_of("People", found, {"people.csv": PEOPLE.encode()})
    text = strict_yaml.write(source)
    (tmp_path / "people.yaml").write_text(text, "utf-8")
    assert target in sources.read("people").reader.columns
    tree = {"source": "official", "seed": 0, "split_seed": 0, "sweeps": {}}
    tree["datasets"] = {"people": section}
    chosen = params.parse(yaml.safe_dump(tree)).datasets["people"]
    assert (chosen.fit.weighting, chosen.data.target) == ("tabular", target)
    assert strict_yaml.read(text)["files"][0]["size"] == len(PEOPLE)


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project without data sets of its own, as the folder in which a person is."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sources, "FOLDER", Path("data/sources"))
    sources.FOLDER.mkdir(parents=True)
    (tmp_path / "people.csv").write_text(PEOPLE, "utf-8")
    (tmp_path / "params.yaml").write_text(
        "source: official  # a comment\nseed: 0\nsplit_seed: 0\nsweeps: {}\ndatasets:\n",
        "utf-8",
    )
    found, asked = looked_at(PEOPLE, "member"), look.Asked("member")
    with (tmp_path / "params.yaml").open("a", encoding="utf-8") as file:
        file.write(sections.written("other", sections.section_of(found, asked)))
    source = sections.source_of("Other", found, {"people.csv": b""})
    (sources.FOLDER / "other.yaml").write_text(strict_yaml.write(source), "utf-8")
    return tmp_path


def run(monkeypatch, *arguments):
    monkeypatch.setattr("sys.argv", ["add", *arguments])
    add.main()


def test_a_table_is_added_below_what_is_there(project, monkeypatch, capsys):
    before = (project / "params.yaml").read_text("utf-8")
    run(monkeypatch, "people.csv", "--target", "member", "--name", "club")
    after = (project / "params.yaml").read_text("utf-8")
    assert after.startswith(before.rstrip())
    assert [*params.load().datasets] == ["other", "club"]
    assert (sources.FOLDER / "club.csv").read_text("utf-8") == PEOPLE
    assert "dvc repro evaluate@club" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["gone.csv", "--target", "member"], "gone.csv cannot be read"),
        (["people.csv", "--target", "member", "--name", "a b"], "expected letters, digits"),
        (["people.csv", "--target", "member", "--name", "other"], "there is a data set other"),
        (["people.csv", "--target", "height"], "people.csv: expected a column 'height'"),
        (["broken.csv", "--target", "member"], "cannot be extended"),
    ],
)
def test_what_is_refused_changes_nothing(project, monkeypatch, arguments, says):
    (project / "broken.csv").write_text(PEOPLE, "utf-8")
    if arguments[0] == "broken.csv":
        monkeypatch.setattr(sections, "section_of", lambda *_: {"data": {}})
    before = {path: path.read_bytes() for path in project.rglob("*") if path.is_file()}
    with pytest.raises(SystemExit, match=says):
        run(monkeypatch, *arguments)
    assert before == {path: path.read_bytes() for path in project.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("cells", "missing"),
    [
        (["1", "?", "3", ""], ["?"]),
        (["None", "Apnea", "Insomnia", "None"], []),  # a category, not a gap
        (["NA", "Apnea", "x", "x"], ["NA"]),
        (["1.5", "nan", "None", "2"], ["None", "nan"]),
    ],
)
def test_words_are_missing_values_among_numbers(cells, missing):
    assert look.missing_of(pd.DataFrame({"a": cells}).replace("", None)) == missing


@pytest.mark.parametrize(
    ("cells", "written"),
    [
        (["2024-01-31", "2023-12-01"], "ISO8601"),
        (["31.01.2024", "1.12.2023"], "%d.%m.%Y"),
        (["31/01/2024", "1/12/2023"], "%d/%m/%Y"),
        (["01/31/2024", "1/12/2023"], "%m/%d/%Y"),
    ],
)
def test_the_way_in_which_dates_are_written_is_found(cells, written):
    assert look.dates_of(pd.DataFrame({"day": cells, "x": ["1", "2"]})) == written


def cautions(found):
    return [line.removeprefix("take care: ") for line in found.says if "take care" in line]


def test_traps_are_named_with_their_columns():
    random = np.random.default_rng(0)
    person = random.integers(0, 100, 400)
    frame = pd.DataFrame(
        {
            "person": person,
            "died": person % 3 == 0,
            "score": random.normal(size=400).round(6),
            "result": (person % 3 == 0) * 100 + random.integers(0, 50, 400),
            "day": "2024-05-05",
        }
    )
    frame.loc[0, "day"] = "2024-05-06"
    text = pd.concat([frame, frame[:3]]).to_csv(index=False)
    found = cautions(looked_at(text, "died"))
    assert [line.split(":")[0] for line in found] == [
        "`result`",
        "`person`",
        "`day`",
        "copies of other rows",
    ]
    grouped = cautions(looked_at(text, "died", group="person"))
    assert [line.split(":")[0] for line in grouped] == ["`result`"]  # copies are of the same person


SMALL = {  # (text, options, what is said)
    "a missing value": ("age,survived\n" + "29,1\n,0\n31,0\n,1\n" * 10, {}, "50% missing"),
    "groups": (
        "id,bili,died\n" + "".join(f"{n // 4},{n % 9}.5,{n // 4 % 2}\n" for n in range(100)),
        {},
        "`data.group: id`",
    ),
    "a group": (
        "id,bili,died\n" + "".join(f"{n // 4},{n % 9}.5,{n // 4 % 2}\n" for n in range(100)),
        {"group": "id"},
        "rows are split by it",
    ),
    "the answer": (
        "ct_result,age,result\n"
        + "".join(f"{45 if n % 3 else 21 + n % 9},{n % 40},{'neg' if n % 3 else 'pos'}\n" for n in range(90)),
        {},
        "`ct_result`: this column alone",
    ),
    "money": ("x,price\n" + "".join(f'{n},"$1,{n:03d}.50"\n' for n in range(100, 300, 3)), {}, "x"),
}  # fmt: skip


@pytest.mark.parametrize("what", SMALL)
def test_what_people_bring_is_understood(what):
    text, asked, says = SMALL[what]
    target = text.split("\n")[0].split(",")[-1]
    found = looked_at(text, target, **asked)
    assert any(says in line for line in found.says)
    if what == "money":
        assert (found.reader["signs"], found.task) == ("$,", "regression")


def test_a_decimal_comma_is_not_a_separator():
    text = "preis;flaeche\n" + "".join(
        f"{42000 - n * 35};{58 - n % 7},{n % 10}\n" for n in range(60)
    )
    found = looked_at(text, "preis")
    assert (found.reader["separator"], found.reader["decimal"]) == (";", ",")
    assert kept(found, "preis") == {"flaeche": "number"}


def test_what_a_person_says_of_a_column_counts():
    found = looked_at(PEOPLE, "member", kinds={"age": "category"}, drop=("town",))
    section = sections.section_of(found, look.Asked("member", drop=("town",)))
    assert found.reader["columns"]["age"] == "category"
    assert section["data"]["drop"] == ["town"]


def test_texts_are_told_from_names_and_categories():
    rows = [f"{'abcdefghij'[n % 10]} long enough text about row number {n}" for n in range(60)]
    frame = pd.DataFrame({"note": rows, "name": [f"Ann {n}" for n in range(60)], "y": [0, 1] * 30})
    found = looked_at(frame.to_csv(index=False), "y")
    assert kept(found, "y") == {"note": "text"}
    assert sections.section_of(found, look.Asked("y"))["preprocess"]["encoding"] == "multi_hot"


@pytest.mark.parametrize("before", ["datasets:\n", "datasets: {}\n", "datasets: {}\nsweeps: {}\n", "datasets:\n  a: 1\n\nsweeps: {}\n"])  # fmt: skip
def test_a_section_is_written_at_the_end_of_the_data_sets(before):
    after = strict_yaml.read(sections.extended(before, sections.written("new", {"b": 1})))
    expected = strict_yaml.read(before)
    expected["datasets"] = (expected["datasets"] or {}) | {"new": {"b": 1}}
    assert after == expected


def test_a_folder_a_class_becomes_an_archive(tmp_path):
    for label, count in (("good", 12), ("bad", 10)):
        (tmp_path / label).mkdir()
        for number in range(count):
            (tmp_path / label / f"{number}.txt").write_text("a naïve film", "utf-8")
    (tmp_path / ".DS_Store").write_bytes(b"\0")
    content = folders.packed(tmp_path)
    assert content == folders.packed(tmp_path)
    found = folders.looked_at(content, "reviews.zip")
    assert (found.task, found.rows, found.reader["format"]) == ("binary", 22, "text_folders")
    assert found.says == ["bad: 10 texts", "good: 12 texts"]
    (tmp_path / "bad/9.txt").unlink()
    with pytest.raises(UnreadableFile, match=r"10 files or more.*9 of bad"):
        folders.looked_at(folders.packed(tmp_path), "reviews.zip")


def test_rare_positives_ask_for_another_metric():
    text = "x,y\n" + "".join(f"{row * 37 % 101},{int(row % 25 == 0)}\n" for row in range(300))
    assert cautions(looked_at(text, "y"))[-1].startswith("96% of the rows are of one class")


def test_a_difference_that_matters_is_in_the_unit_of_the_target():
    text = "x,price\n" + "".join(f"{row},{row * 1000 + row % 7}\n" for row in range(0, 900, 3))
    section = sections.section_of(looked_at(text, "price"), look.Asked("price"))
    assert section["review"]["equivalent_within"] == 3000
    assert section["fit"]["target"] == "standardized"
