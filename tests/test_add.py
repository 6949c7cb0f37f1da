"""What tools.add takes of a file, and what it writes."""

import pytest
import yaml

from stages.core.data.arrays import UnreadableFile
from stages.core.declared import params, sources, strict_yaml
from tools import add

PEOPLE = "age,town,joined,member,card\n" + "".join(
    f"{20 + row % 40},{['Ulm', 'Bonn', 'Rome'][row % 3]},2024-01-{row % 28 + 1:02d},"
    f"{'yes' if row % 5 else 'no'},{1000 + row}\n"
    for row in range(60)
)


def looked_at(text, target, encoding="utf-8"):
    return add.looked_at(text.encode(encoding), "people.csv", target)


def test_columns_are_taken_for_what_they_are():
    reader, classes, task, rows, says = looked_at(PEOPLE, "member")
    assert reader["columns"] == {"age": "number", "town": "category", "joined": "date"}
    assert (classes, task, rows) == (["no", "yes"], "binary", 60)
    assert "card: left out, numbers the rows" in says


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "windows-1252"])
def test_separators_decimals_and_encodings_are_found(encoding):
    text = "preis;fläche;ort\n" + "".join(f"{40000 + 7 * row};{row},5;Köln\n" for row in range(30))
    reader, _, task, _, _ = looked_at(text + "1;2,5;Bonn\n", "preis", encoding)
    assert (reader["separator"], reader["decimal"], task) == (";", ",", "regression")
    assert reader["columns"] == {"fläche": "number", "ort": "category"}


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["1", "2.5", "-3e4", "2"], "number"),
        (["01234", "09999", "01234", "55555"], "category"),  # postcodes
        (["2024-01-31", "1999-12-01 10:00", "2024-01-31", "2000-1-1"], "date"),
        (["true", "false", "true", "true"], "category"),
        (["x", "x", "x", "x"], None),
        ([f"name {row}" for row in range(50)], None),
        ([str(row) for row in range(5, 55)], None),
        ([str(row * row) for row in range(50)], "number"),
    ],
)
def test_a_column_is_of_one_kind(cells, kind):
    found, _ = add.kind_of(add.pd.Series(cells, dtype="object"), ".")
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
    assert add.task_of(add.pd.Series(cells, dtype="object"), ".") == task


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a\n1\n2\n", "two columns or more"),
        ("a,b\n1,2\n3,4\n", "expected a column 'member'"),
        ("a,member\nx,1\nx,2\n", "no column to predict from"),
    ],
)
def test_what_cannot_be_added_is_refused(text, says):
    with pytest.raises(UnreadableFile, match=says):
        looked_at(text, "member")


@pytest.mark.parametrize("target", ["member", "town", "age"])
@pytest.mark.parametrize("rows", [60, 100_000])
def test_what_is_written_is_a_section_and_a_source(target, rows, tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "FOLDER", tmp_path)
    reader, classes, task, _, _ = looked_at(PEOPLE, target)
    source = add.source_of("People", reader, classes, PEOPLE.encode())
    text = yaml.safe_dump(source, allow_unicode=True)
    (tmp_path / "people.yaml").write_text(text, "utf-8")
    assert sources.read("people").reader.target == target
    tree = {"source": "official", "seed": 0, "split_seed": 0}
    tree["datasets"] = {"people": add.section_of(task, rows)}
    chosen = params.parse(yaml.safe_dump(tree)).datasets["people"]
    assert chosen.fit.weighting == "tabular"
    assert strict_yaml.read(text)["files"][0]["size"] == len(PEOPLE)
