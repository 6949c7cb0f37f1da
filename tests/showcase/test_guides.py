"""The recipes of the guides, followed to the letter: a data set, and a network, of one's own."""

import re
import shutil
import sys

import pytest
import yaml
from small import ROOT, Clone, ran

pytestmark = pytest.mark.guides


def code_of(guide):
    """The blocks of Python and of YAML in a guide, in their order."""
    text = (ROOT / f"docs/{guide}.md").read_text()
    return re.findall(r"```(?:python|yaml)\n(.*?)```", text, re.DOTALL)


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    clone = Clone(tmp_path_factory.mktemp("clone"), ("digits",), shipped=True)
    clone.repro()
    clone.commit()
    return clone


def commands(number):
    """A block of commands of the guide to data of one's own: of a table, texts, images."""
    text = (ROOT / "docs/your-own-data.md").read_text()
    return re.findall(r"^```sh\n(.*?)^```", text, re.DOTALL | re.MULTILINE)[number]


@pytest.mark.parametrize(
    ("number", "name", "answers"),
    [
        (0, "wines", 178),
        pytest.param(1, "docstrings", 1, marks=pytest.mark.slow),
        pytest.param(2, "handwriting", 2, marks=pytest.mark.slow),
    ],
)
def test_data_of_each_kind_are_added_as_the_guide_says(clone, number, name, answers):
    done = clone.run("bash", "-eo", "pipefail", "-c", commands(number))
    assert done.returncode == 0, done.stdout + done.stderr
    found = clone.figures(name)
    assert found["kfold"]["accuracy"]["mean"] > 0.85 > found["baseline"]["accuracy"]
    told = done.stdout.splitlines()[-answers:]
    right = {"wines": "class_0", "docstrings": "scipy.stats", "handwriting": "digit 3"}[name]
    assert right in told[0]
    if name == "wines":
        screen = re.search(r"```text\n(.*?)```", (ROOT / "docs/your-own-data.md").read_text(), re.S)
        assert screen[1] in done.stdout
        assert found["reference"]["accuracy"] > 0.9


def test_rows_to_predict_come_as_they_are(clone):
    lines = (clone.folder / "wines.csv").read_text().splitlines()
    cells = [line.split(",") for line in (lines[0], lines[1], lines[-1])]
    cells[1][2] = ""  # a value that is missing
    new = "\n".join(",".join(reversed(row)) for row in cells)  # with the answer, too
    (clone.folder / "new.csv").write_text(new)
    told = clone.run(sys.executable, "-m", "tools.predict", "wines", "new.csv")
    assert [line.split()[0] for line in told.stdout.splitlines()] == ["class_0", "class_2"]


def test_a_data_set_is_added_as_the_guide_says(clone):
    script, source, params = code_of("your-own-data")
    (clone.folder / "wine.py").write_text(script)
    made = clone.run(sys.executable, "wine.py")
    assert made.returncode == 0, made.stderr
    assert all(line in source for line in made.stdout.splitlines())
    (clone.folder / "data/sources/wine.yaml").write_text(source)
    clone.edit(lambda present: present["datasets"].update(yaml.safe_load(params)))
    stages = [f"{stage}@wine" for stage in ("download", "preprocess", "train", "kfold", "evaluate")]
    assert sorted(clone.repro()) == sorted(stages)
    found = clone.figures("wine")
    assert found["kfold"]["accuracy"]["mean"] > 0.9 > found["baseline"]["accuracy"]
    assert "barolo" in (clone.folder / "metrics/wine/test.csv").read_text()


def test_our_data_sets_are_removed_as_the_guide_says(clone):
    clone.edit(lambda present: present["datasets"].pop("digits"))
    (clone.folder / "data/sources/digits.yaml").unlink()
    for path in (clone.folder / "metrics").glob("digits*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert clone.repro() == []
    table = clone.run(sys.executable, "-m", "tools.results").stdout
    assert "wine" in table
    assert "digits" not in table
    clone.git("checkout", "-q", ".")


def test_a_network_is_added_as_the_guide_says(clone):
    code, params = code_of("your-own-network")
    (clone.folder / "stages/networks/residual.py").write_text(code)
    clone.edit(lambda present: present["datasets"]["digits"].update(yaml.safe_load(params)))
    chain = clone.run("dvc", "repro", "kfold@digits")
    assert "functional" in chain.stdout + chain.stderr
    assert "Traceback" not in chain.stdout + chain.stderr
    clone.edit(lambda present: present["datasets"]["digits"]["fit"].update(api="functional"))
    stages = [f"{stage}@digits" for stage in ("train", "kfold", "evaluate")]
    assert sorted(ran(clone.dvc("repro"))) == sorted(stages)
    assert "add" in (clone.folder / "metrics/digits/network.txt").read_text()
