"""What the review says of a data set, in numbers and in words."""

import json
import re

import numpy as np
import pytest
from made_up import RIGHT, ROWS, compared, comparison_of, metrics, section, top

from stages.core.judge import comparison, markdown, pictures
from tools.review import drawings


def test_the_table_of_metrics_has_both_sides_difference_and_p(project, run):
    project.results("imdb", main=(0.03, 0.002), loss=(-0.1, 0.01), parameters=2000)
    text = section(run("main"), "imdb")
    rows = metrics(text)
    assert rows["kfold accuracy"][:2] == ["0.8500 ± 0.0100", "0.8800 ± 0.0100"]
    assert re.fullmatch(r"\+0\.0300 \(\+0\.02\d\d to \+0\.03\d\d\)", rows["kfold accuracy"][2])
    assert re.fullmatch(r"-0\.1000 \(-0\.1\d{3} to -0\.0\d{3}\)", rows["kfold loss"][2])
    assert rows["kfold loss"][3] == "<0.001"
    assert rows["network parameters"] == ["1,000", "2,000", "+1,000", "-"]
    same = text.split("The same in both: ")[1].split(".\n")[0].split("; ")
    assert {"baseline accuracy", "test accuracy, ensemble"} <= {*same}
    assert not {*same} & {*rows}


def test_sentences_say_what_can_be_seen_and_what_the_test_rows_say(project, run):
    random = np.random.default_rng(0)
    project.results("imdb", main=(0.002, 0.01), right=random.integers(0, 2, (5, ROWS)))
    text = section(run("main"), "imdb")
    found = comparison_of((0.002, 0.01), within=0.005)
    assert f"equivalent {found.equivalent:.3f}, better {found.better:.3f}" in text
    assert "More repeats" not in text  # folds alone do not tell what these would bring
    assert (
        "These 8 folds would find (4 times out of 5) "
        f"a difference of {found.detectable:.4f} or more" in text
    )
    assert "main does not say how each row fared" in text
    assert re.search(
        r"On the fixed 10 test rows, .* \(95 % bootstrap interval .*; 3 seeds in base, 5 in head\)",
        text,
    )


def test_a_probability_or_a_share_never_looks_like_0_or_1():
    shown = {
        0: "<0.001",
        0.0004: "<0.001",
        0.001: "0.001",
        0.05: "0.050",
        0.999: "0.999",
        0.9996: ">0.999",
        1: ">0.999",
    }
    assert {value: markdown.share(value) for value in shown} == shown
    shown = {0: "<1%", 0.004: "<1%", 0.01: "1%", 0.99: "99%", 0.994: ">99%", 1: ">99%"}
    assert {value: markdown.share(value, ".0%", 0.01) for value in shown} == shown
    assert markdown.number(-1e-17, "+") == "+0.0000"


@pytest.mark.parametrize(
    ("change", "said"), [(0, "All 8 folds are the same"), (0.03, "All 8 folds differ by +0.03")]
)
def test_folds_without_noise_do_not_say_what_they_could_find(project, run, change, said):
    project.results("imdb", main=(change, 0), loss=(0.1, 0.01), right=1 - RIGHT)
    text = section(run("main"), "imdb")
    assert said in text
    assert "0.0000 or more" not in text


def test_metrics_with_different_keys_stand_side_by_side(project, run):
    path = project.folder / "metrics/imdb.json"
    old = json.loads(path.read_text())
    del old["network"]
    old["kfold"]["f1"] = {"mean": 0.7}
    old["validation"] = {"best_epoch": 5}
    path.write_text(json.dumps(old))
    project.commit()
    project.results("imdb", main=(0.03, 0.002))
    text = run("main")
    assert top(text)["imdb"][0] == "better"
    rows = metrics(section(text, "imdb"))
    assert rows["kfold f1"] == ["0.7000", "-", "-", "-"]
    assert rows["validation best_epoch"] == ["5", "-", "-", "-"]
    assert rows["network parameters"] == ["-", "1,000", "-", "-"]


def test_losses_that_measure_different_things_are_not_compared(project, run, tmp_path):
    change = (-0.25, 0.1)
    project.results("boston_housing", main=change, loss=(0, 0.01), measured="mean absolute error")
    text = run("main", "--html", str(tmp_path / "page.html"))
    part = section(text, "boston_housing")
    assert (
        "- The losses measure different things (mean squared error, mean absolute error) "
        "and are not compared." in part
    )
    rows = metrics(part)
    assert rows["network loss"] == ["mean squared error", "mean absolute error", "-", "-"]
    assert rows.get("kfold loss", ["-"])[-1] == "-"
    raw = comparison_of(change, higher_is_better=False)
    told = comparison.holm([raw.p, raw.typical.p])[0]
    assert rows["kfold mae"][3] == f"{told:.3f}", "no further chance of an alarm"
    assert top(text)["boston_housing"][0] == "better"
    drawn = re.findall(r'<img alt="([^"]+)"', (tmp_path / "page.html").read_text("utf-8"))
    assert drawn == ["Each fold&#x27;s difference", "K-fold curves", "Predicted against actual"]


def test_curves_are_drawn_of_metrics_that_mean_the_same_in_both(project, monkeypatch):
    asked = []
    monkeypatch.setattr(
        drawings, "compared_folds", lambda title, columns, axes: asked.append(axes) or b""
    )
    for measured in (None, "Huber loss"):
        project.results("boston_housing", main=(-0.3, 0.02), measured=measured)
        reviewed = compared()
        drawings.others(next(found for found in reviewed if found.name == "boston_housing"))
    mae = {"mae": pictures.Axis("mean absolute error (thousand dollars)", False)}
    loss = pictures.Axis("loss: mean squared error (thousand dollars squared)", False)
    assert asked == [{"loss": loss, **mae}, mae]


def test_a_base_that_does_not_say_what_its_loss_measures_is_compared(project, run):
    path = project.folder / "metrics/imdb.json"
    old = json.loads(path.read_text())
    del old["network"]["loss"]
    path.write_text(json.dumps(old))
    project.commit()
    project.results("imdb", main=(0.03, 0.002), loss=(0.1, 0.01))
    part = section(run("main"), "imdb")
    assert metrics(part)["kfold loss"][3] != "-"
    assert "different things" not in part


@pytest.mark.parametrize("side", ["base", "head"])
def test_a_side_without_test_rows_is_still_judged_by_its_folds(project, run, side):
    path = project.folder / "metrics/imdb/test_rows.csv"
    if side == "base":
        path.unlink()
        project.commit()
        project.git("switch", "-qc", "change")
    project.results("imdb", main=(0.03, 0.002))
    if side == "head":
        path.unlink()
    text = run("main")
    assert top(text)["imdb"][0] == "better"
    assert "No test rows to compare" in section(text, "imdb")
    assert "changed sides" not in section(text, "imdb")


def test_without_test_rows_in_both_nothing_is_said_of_them(project, run):
    path = project.folder / "metrics/imdb.json"

    def untested():
        path.write_text(
            json.dumps({k: v for k, v in json.loads(path.read_text()).items() if k != "test"})
        )
        project.put("metrics/imdb/test_rows.csv", "seed_0,seed_1,seed_2\n")

    untested()
    project.commit()
    project.results("imdb", main=(0.03, 0.002))
    untested()
    assert "test rows" not in section(run("main"), "imdb").lower()


@pytest.mark.parametrize("file", ["fold_curves.csv", "test.csv", "network.txt"])
def test_a_base_without_a_file_is_still_judged_and_drawn(project, run, tmp_path, file):
    (project.folder / "metrics/imdb" / file).unlink()
    project.commit()
    project.results("imdb", main=(0.03, 0.002))
    assert top(run("main", "--html", str(tmp_path / "page.html")))["imdb"][0] == "better"
    assert "Each fold&#x27;s difference" in (tmp_path / "page.html").read_text("utf-8")


def test_traps_the_split_and_a_reference_are_said_also_where_nothing_compares(project, run):
    path = project.folder / "metrics/imdb.json"
    found = json.loads(path.read_text())
    found |= {"split": "group id", "reference": {"accuracy": 0.87}}
    found["traps"] = {"decides": {"ct_result": 0.013}, "duplicates": 12, "baseline": 0.5}
    path.write_text(json.dumps(found))
    text = section(run("main"), "imdb")
    assert "the split of rows is random in main and group id in workspace" in text
    assert "All rows of a value of `id` are in one fold" in text
    assert "`ct_result`: this column alone removes all but 1.3% of the error" in text
    assert "copies of other rows: 12" in text
    assert "the K-fold is no better than 0.5000" in text
    assert "reach 0.8700 on these folds" in text


def with_chosen_epochs(project, **counts):
    path = project.folder / "metrics/imdb.json"
    found = json.loads(path.read_text())
    found["chosen_epochs"] = {
        "folds": 8,
        "limit": 20,
        "least": 4,
        "mean": 5.25,
        "most": 20,
        **counts,
    }
    path.write_text(json.dumps(found))


def test_a_side_whose_folds_would_have_taken_more_epochs_says_so(project, run):
    project.results("imdb", main=(0.02, 0.002))
    with_chosen_epochs(project, folds_at_limit=3)
    said = "Take care, workspace: 3 of 8 folds are judged after the last of 20 epochs"
    told = run("main")
    assert said in section(told, "imdb")
    assert "take care, epochs may be too few in workspace" in told.split("\n\n")[1]
    assert "chosen_epochs" not in told
    project.commit()
    project.results("imdb", main=(0.03, 0.002))
    text = section(run("HEAD"), "imdb")
    assert said.replace("workspace", "HEAD") in text
    assert "Take care, workspace" not in text


def test_epochs_of_the_folds_and_of_the_final_networks_are_told_apart(project, run):
    with_chosen_epochs(project, folds_at_limit=0)
    text = section(run("main"), "imdb")
    assert "judged after 4 to 20 epochs, 5.2 in the mean; test rows by networks of" in text
    assert "Take care" not in text
