"""What differs between two revisions, and the test rows that changed sides."""

import dataclasses
import json
import re
from functools import partial

import numpy as np
import pytest
from made_up import (
    FLIPPED,
    RIGHT,
    metrics,
    section,
)
from samples import SOURCES

from tools.predict import texts
from tools.review import results, sentences


def changed(text) -> str:
    return text.split("## What changed")[1].split("\n## ")[0]


def test_params_that_were_added_removed_and_changed_are_shown(project, run):
    model = project.params["datasets"]["imdb"]["model"]
    model.update(units=[4], dropout=0.5)
    del model["activation"]
    project.save()
    rows = metrics(changed(run("main")))
    assert rows["`datasets.imdb.model.units`"] == ["`[16, 16]`", "`[4]`"]
    assert rows["`datasets.imdb.model.dropout`"] == ["-", "`0.5`"]
    assert rows["`datasets.imdb.model.activation`"] == ["`relu`", "-"]
    assert sum(name.startswith("`") for name in rows) == 3


def test_networks_that_differ_are_shown_with_their_parameters(project, run):
    project.results("imdb", parameters=2000)
    text = run("main").split("\n## ")[-1]  # they take the most room
    assert text.startswith("Networks\n")
    assert "Network of imdb: 1,000 → 2,000 parameters" in text
    assert "-parameters: 1,000\n+parameters: 2,000" in text
    assert "Network of reuters" not in text


def test_code_that_differs_is_shown_and_other_files_are_not(project, run):
    project.put("stages/kfold.py", "# deals the rows anew\n")
    project.put("README.md", "read me\n")
    project.commit()
    project.put("stages/kfold.py", "# deals the rows once more\n")
    for text in (run("HEAD~1", "HEAD"), run("HEAD")):
        assert re.search(r"stages/kfold\.py \| 2 \+-", changed(text))
        assert "README" not in text


def test_nothing_that_differs_is_said_as_well(project, run):
    text = changed(run("main"))
    assert "No param differs." in text
    assert "No code of a stage differs." in text


@pytest.mark.parametrize("value", ["a|b", "a\nb", "a`b"], ids=["pipe", "line", "backtick"])
def test_a_param_cannot_break_the_table(project, run, tmp_path, value):
    project.params["datasets"]["imdb"]["model"]["activation"] = value
    project.save()
    text = run("main", "--html", str(tmp_path / "page.html"))
    assert len(metrics(changed(text))["`datasets.imdb.model.activation`"]) == 2
    cells_in_page = re.findall(
        r"<tr>\s*(.*?)\s*</tr>", (tmp_path / "page.html").read_text("utf-8"), re.DOTALL
    )
    row = next(row for row in cells_in_page if "datasets.imdb.model.activation" in row)
    assert row.count("<td>") == 3
    assert "b" in row.split("<td>")[3]


def test_without_data_the_flips_are_counted_and_it_says_how_to_get_the_texts(project, run):
    project.results("imdb", main=(0.03, 0.002), right=FLIPPED)
    project.results("boston_housing", main=(0.3, 0.02))
    text = run("main")
    assert "in at least 80 % of the seeds: 1 to right, 1 to wrong" in section(text, "imdb")
    assert "Their texts are not here: `dvc pull` or `dvc repro` brings data/." in section(
        text, "imdb"
    )
    assert "changed sides" not in section(text, "boston_housing")


IMAGES = SOURCES["digits"].model_copy(update={"title": SOURCES["imdb"].title})


def test_rows_without_a_text_are_not_missed(project, run, monkeypatch):
    project.results("imdb", main=(0.03, 0.002))
    assert section(run("main"), "imdb").rstrip().endswith("0 to right, 0 to wrong.")
    images = partial(dataclasses.replace, source=IMAGES)
    known = results.described
    monkeypatch.setattr(results, "described", lambda *name: images(known(*name)))
    project.results("imdb", main=(0.03, 0.002), right=FLIPPED)
    assert section(run("main"), "imdb").rstrip().endswith("1 to right, 1 to wrong.")


def test_with_data_the_texts_of_flips_are_decoded(project, run):
    project.results("imdb", main=(0.03, 0.002), right=FLIPPED)
    words = [f"word{rank}" for rank in range(1, 11)]
    project.texts(words)
    text = section(run("main"), "imdb")
    assert f"- now right, row 7: word8 {' '.join(words)}\n" in f"{text}\n"
    assert f"- now wrong, row 2: word3 {' '.join(words)}\n" in f"{text}\n"
    assert text.count("- now") == 2


def test_long_texts_are_cut_and_words_without_an_entry_keep_their_id(project, run):
    project.results("imdb", main=(0.03, 0.002), right=FLIPPED)
    project.texts([f"word{rank}" for rank in range(1, 101)])
    index = project.folder / "data/raw/imdb/imdb_word_index.json"
    index.write_text(
        json.dumps(
            {word: rank for word, rank in json.loads(index.read_text()).items() if rank != 1}
        )
    )
    line = re.search(r"- now right, row 7: (.*)", run("main"))[1].replace(
        "\\", ""
    )  # Markdown may escape brackets
    assert line.startswith("word8 [4] word2 ")  # rank 1 is id 4 of the Keras loaders
    assert line.endswith(" word39 …")
    assert len(line.split()) == texts.SHOWN + 1


def test_at_most_so_many_texts_are_shown_each_way(project, run):
    project.results("imdb", main=(0.03, 0.002), right=1 - RIGHT)
    project.texts([f"word{rank}" for rank in range(1, 11)])
    text = section(run("main"), "imdb")
    assert "4 to right, 6 to wrong" in text
    assert (text.count("- now right"), text.count("- now wrong")) == (4, sentences.SHOWN)


def test_texts_of_other_data_are_not_shown(project, run):
    # data/ is that of another run: it has fewer test rows than the two that are compared
    project.results("imdb", main=(0.03, 0.002), right=FLIPPED)
    project.texts(["one", "two"], documents=3)
    text = section(run("main"), "imdb")
    assert "1 to right, 1 to wrong" in text
    assert "- now" not in text


def test_flips_are_found_between_different_numbers_of_seeds(project, run):
    project.results("imdb", main=(0.03, 0.002), right=np.vstack([FLIPPED, FLIPPED]))
    assert "1 to right, 1 to wrong" in section(run("main"), "imdb")


SWEEP = "# Sweep of IMDB: accuracy\n\n**Best of 9: it.**\n\n![Values](sweep.png)\n\n| a |\n"


def test_a_new_sweep_is_told_as_its_stage_wrote_it(project, run):
    project.params["sweeps"] = {"imdb": {"model": {"units": [[8]]}}}
    project.save()
    project.put("metrics/imdb/sweep.md", SWEEP)
    text = run("main")
    assert "\n## Sweep of IMDB: accuracy\n\n**Best of 9: it.**\n\n| a |\n" in text
    assert "![" not in text
    assert "`metrics/imdb/sweep.png`" in text


def test_an_old_sweep_is_not_told(project, run):
    project.put("metrics/imdb/sweep.md", SWEEP)
    gone = "`params.yaml` does not have this sweep any more"  # as after its ready line
    assert gone in run("main")
    project.params["sweeps"] = {"imdb": {"model": {"units": [[8]]}}}
    project.save()
    assert gone not in run("main")
    project.commit()
    assert "Sweep of" not in run("HEAD", "workspace")
