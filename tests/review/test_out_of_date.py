"""Params and code that are newer than the results."""

import re

import yaml
from made_up import top


def out_of_date(text) -> list[str]:
    lines = re.findall(r"^> \*\*Out of date\*\*, .+?: (.*)\.$", text, re.MULTILINE)
    return [tuple(part.split(": ")) for line in lines for part in line.split("; ")]


def test_params_newer_than_the_results_are_pointed_out(project, run):
    assert out_of_date(run("main")) == []
    project.params["datasets"]["imdb"]["model"]["units"] = [4]
    project.save(lock=False)
    assert out_of_date(run("main")) == [("workspace", "kfold@imdb")]
    project.save()
    assert out_of_date(run("main")) == []
    project.params["split_seed"] = 1
    project.params["datasets"]["imdb"]["preprocess"]["encoding"] = "other"
    project.save(lock=False)
    project.git("switch", "-qc", "change")
    project.commit()
    assert out_of_date(run("main", "change"))[0][1].split(", ") == ["kfold", "preprocess@imdb"]
    assert out_of_date(run("change", "main")) == [
        ("change", out_of_date(run("main", "change"))[0][1])
    ]


def test_code_newer_than_the_results_is_pointed_out(project, run):
    project.put("stages/kfold.py", "# deals the rows anew\n")
    assert out_of_date(run("main")) == [("workspace", "kfold")]  # of all data sets
    (project.folder / "stages/kfold.py").unlink()
    assert out_of_date(run("main")) == [("workspace", "kfold")]


def test_stages_that_never_ran_are_pointed_out(project, run):
    lock = yaml.safe_load((project.folder / "dvc.lock").read_text())
    del lock["stages"]["kfold@reuters"]
    project.put("dvc.lock", yaml.safe_dump(lock))
    assert out_of_date(run("main")) == [("workspace", "kfold@reuters")]


def test_of_sweeps_those_that_params_ask_for_are_pointed_out(project, run):
    kinds = {"preprocess": {}, "kfold": {}, "sweep": {}}
    project.put("dvc.yaml", yaml.safe_dump({"stages": kinds}))
    assert out_of_date(run("main")) == []
    project.params["sweeps"] = {"imdb": {"model": {"units": [[8]]}}}
    project.save(lock=False)
    assert out_of_date(run("main")) == [("workspace", "sweep@imdb")]


def test_a_source_that_was_changed_is_pointed_out(project, run):
    lock = yaml.safe_load((project.folder / "dvc.lock").read_text())
    dep = {"path": "data/sources/imdb.yaml", "md5": "0"}
    lock["stages"]["preprocess@imdb"]["deps"].append(dep)
    project.put("dvc.lock", yaml.safe_dump(lock))
    assert out_of_date(run("main")) == [("workspace", "preprocess@imdb")]


def test_a_new_file_of_a_stage_is_named_before_git_has_it(project, run):
    project.put("stages/networks/mine.py", "# a network\n")
    assert "stages/networks/mine.py (new)" in run("main")


def test_a_state_whose_params_name_no_task_is_compared_by_that_of_the_other(project, run):
    for section in project.params["datasets"].values():
        del section["data"]
    project.save()
    assert top(run("main"))["imdb"][0] == "the same"


def test_what_dvc_lock_keeps_of_data_sets_and_stages_that_left_is_not_out_of_date(project, run):
    del project.params["datasets"]["reuters"]
    project.save(lock=False)
    assert out_of_date(run("main")) == []
    project.put("dvc.yaml", yaml.safe_dump({"stages": {"preprocess": {}}}))
    (project.folder / "stages/kfold.py").unlink()
    assert out_of_date(run("main")) == []


def test_a_param_that_no_stage_has_recorded_makes_nothing_out_of_date(project, run):
    project.params["datasets"]["imdb"]["review"]["equivalent_within"] = 0.01
    project.save(lock=False)
    assert out_of_date(run("main")) == []


def test_a_number_that_yaml_reads_as_text_is_not_out_of_date(project, run):
    # PyYAML reads 1e-4 as text; params.py takes it, and DVC writes it to dvc.lock as 0.0001
    project.params["datasets"]["imdb"]["fit"]["learning_rate"] = 0.0001
    project.save()
    content = (project.folder / "params.yaml").read_text()
    assert "learning_rate: 0.0001" in content
    project.put("params.yaml", content.replace("learning_rate: 0.0001", "learning_rate: 1e-4"))
    assert out_of_date(run("main")) == []


def test_a_width_that_yaml_reads_as_text_is_a_number(project, run):
    project.params["datasets"]["imdb"]["review"]["equivalent_within"] = (
        "5e-3"  # params.py takes it as 0.005
    )
    project.save()
    project.results("imdb", main=(0, 0.0005))
    assert top(run("main"))["imdb"][0] == "equivalent"
