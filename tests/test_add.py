"""What tools.add takes of a file, and what it writes."""

from pathlib import Path

import pytest
import yaml

from stages.core.data.arrays import UnreadableFile
from stages.core.declared import params, sources, strict_yaml
from tools.add import __main__ as add

PEOPLE = "age,town,joined,member,card\n" + "".join(
    f"{20 + row % 40},{['Ulm', 'Bonn', 'Rome'][row % 3]},2024-01-{row % 28 + 1:02d},"
    f"{'yes' if row % 5 else 'no'},{1000 + row}\n"
    for row in range(60)
)


def looked_at(text, target, encoding="utf-8"):
    return add.looked_at(text.encode(encoding), "people.csv", target)


def test_columns_are_taken_for_what_they_are():
    reader, classes, section, says, rows = looked_at(PEOPLE, "member")
    assert reader["columns"] == {"age": "number", "town": "category", "joined": "date"}
    assert (classes, section["data"]["task"], rows) == (["no", "yes"], "binary", 60)
    assert "card: left out, numbers the rows" in says


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "windows-1252"])
def test_separators_decimals_and_encodings_are_found(encoding):
    text = "preis;fläche;ort\n" + "".join(f"{40000 + 7 * row};{row},5;Köln\n" for row in range(30))
    reader, _, section, _, _ = looked_at(text + "1;2,5;Bonn\n", "preis", encoding)
    assert (reader["separator"], reader["decimal"], section["data"]["task"]) == (
        ";",
        ",",
        "regression",
    )
    assert reader["columns"] == {"fläche": "number", "ort": "category"}


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
    found, _ = add.kind_of(add.pd.Series(cells, dtype="object"), ".", "ISO8601")
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
        ("a,member\n" + "x,1\nx,2\n" * 20, "no column to predict from"),
        ("a,member\n1,yes\n2,yes\n", r"two values or more in column member, got \['yes'\]"),
        ("a,member\n" + "1,no\n2,yes\n" * 20 + "3,so\n", "10 rows or more of each class.*'so': 1"),
    ],
)
def test_what_cannot_be_added_is_refused(text, says):
    with pytest.raises(UnreadableFile, match=says):
        looked_at(text, "member")


@pytest.mark.parametrize("target", ["member", "town", "age"])
@pytest.mark.parametrize("rows", [60, 100_000])
def test_what_is_written_is_a_section_and_a_source(target, rows, tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "FOLDER", tmp_path)
    reader, classes, section, _, _ = looked_at(PEOPLE, target)
    section = add.section_of(section["data"]["task"], rows)
    source = add.source_of("People", reader, classes, PEOPLE.encode())
    text = yaml.safe_dump(source, allow_unicode=True)
    (tmp_path / "people.yaml").write_text(text, "utf-8")
    assert sources.read("people").reader.target == target
    tree = {"source": "official", "seed": 0, "split_seed": 0}
    tree["datasets"] = {"people": section}
    chosen = params.parse(yaml.safe_dump(tree)).datasets["people"]
    assert chosen.fit.weighting == "tabular"
    assert strict_yaml.read(text)["files"][0]["size"] == len(PEOPLE)


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project without data sets of its own, as the folder in which a person is."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sources, "FOLDER", Path("data/sources"))
    sources.FOLDER.mkdir(parents=True)
    (tmp_path / "people.csv").write_text(PEOPLE, "utf-8")
    (tmp_path / "params.yaml").write_text(
        "source: official  # a comment\nseed: 0\nsplit_seed: 0\ndatasets:\n", "utf-8"
    )
    section = yaml.safe_dump({"other": add.section_of("binary", 60)}, sort_keys=False)
    with (tmp_path / "params.yaml").open("a", encoding="utf-8") as file:
        file.writelines(f"  {line}\n" for line in section.splitlines())
    reader, classes, *_ = looked_at(PEOPLE, "member")
    text = yaml.safe_dump(add.source_of("Other", reader, classes, b""))
    (sources.FOLDER / "other.yaml").write_text(text, "utf-8")
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
        monkeypatch.setattr(add, "section_of", lambda *_: {"data": {}})
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
    assert add.missing_of(add.pd.DataFrame({"a": cells}).replace("", None)) == missing


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
    assert add.dates_of(add.pd.DataFrame({"day": cells, "x": ["1", "2"]})) == written


def test_traps_are_named_with_their_columns():
    random = add.np.random.default_rng(0)
    person = random.integers(0, 100, 400)
    frame = add.pd.DataFrame(
        {
            "person": person,
            "died": person % 3 == 0,
            "score": random.normal(size=400).round(6),
            "result": (person % 3 == 0) * 100 + random.integers(0, 50, 400),
            "day": "2024-05-05",
        }
    )
    frame.loc[0, "day"] = "2024-05-06"
    text = add.pd.concat([frame, frame[:3]]).to_csv(index=False)
    *_, says, _ = looked_at(text, "died")
    found = [line.removeprefix("take care: ") for line in says if line.startswith("take care")]
    assert [line.split(":")[0] for line in found[:3]] == ["person", "result", "day"]
    assert found[3].startswith("duplicate rows: 3;")
    assert len(found) == 4


def test_rare_positives_ask_for_another_metric():
    text = "x,y\n" + "".join(f"{row * 37 % 101},{int(row % 25 == 0)}\n" for row in range(300))
    *_, says, _ = looked_at(text, "y")
    assert any("96% are '0': look at macro_f1" in line for line in says)


def test_a_difference_that_matters_is_in_the_unit_of_the_target():
    text = "x,price\n" + "".join(f"{row},{row * 1000 + row % 7}\n" for row in range(0, 900, 3))
    _, _, section, _, _ = looked_at(text, "price")
    assert section["review"]["equivalent_within"] == 3000
    assert section["fit"]["target"] == "standardized"
