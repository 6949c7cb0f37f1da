"""Whatever the terminal, folder or machine, a stage or a tool ends with a result or a message."""

import ast
import importlib
import inspect
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from samples import PROJECT

from stages import preprocess
from stages.core.declared import params
from stages.core.run import stage
from tools import repair, sources
from tools.review import __main__ as review

ROOT = Path(__file__).parent.parent
CODE = sorted(path for folder in ("stages", "tools") for path in (ROOT / folder).rglob("*.py"))
TOOLS = {path.stem: path for path in (ROOT / "tools").glob("*.py") if path.stem != "__init__"}
TOOLS |= {f"{path.parent.name}.__main__": path for path in (ROOT / "tools").glob("*/__main__.py")}
STAGES = sorted(path.stem for path in (ROOT / "stages").glob("*.py") if path.stem != "__init__")


def test_what_the_terminal_cannot_show_is_printed_as_its_escape(monkeypatch):
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), "ascii"))
    with stage.one_message("predict"):
        print("0.90 ± 0.01 → \udcff")
    assert sys.stdout.buffer.getvalue() == rb"0.90 \xb1 0.01 \u2192 \udcff" + b"\n"


@pytest.mark.parametrize("size", [1, 2**20], ids=["at the end", "on the way"])
def test_a_reader_who_has_gone_ends_it_quietly(monkeypatch, size):
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w") as pipe, monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", pipe)
        with pytest.raises(SystemExit) as ended, stage.one_message("review"):
            print("x" * size)
    assert ended.value.code == 141  # a number: nothing is printed


def test_a_closed_standard_output_is_no_error(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    with stage.one_message("review"):
        print("x")


@pytest.mark.parametrize(
    ("path", "runner"),
    [
        *((path, "tool") for path in TOOLS.values()),
        *((ROOT / f"stages/{name}.py", "run") for name in STAGES),
    ],
    ids=lambda value: str(value).removeprefix(f"{ROOT}/"),
)
def test_every_tool_and_stage_is_run_by_what_gives_one_message(path, runner):
    tree = ast.parse(path.read_text())
    assert ast.unparse(tree.body[-1].test) == "__name__ == '__main__'"
    assert ast.unparse(tree.body[-1].body[-1]) == f"{runner}(main)"


@pytest.mark.parametrize("name", TOOLS)
def test_every_tool_has_help_also_where_python_drops_docstrings(monkeypatch, capsys, name):
    monkeypatch.chdir(PROJECT)
    tool = importlib.import_module(f"tools.{name}")
    assert "parser_of(main)" in inspect.getsource(
        tool.main
    )  # or it might set about its work, which takes an hour
    monkeypatch.setattr(sys, "argv", [name, "--help"])
    for document in (tool.__doc__, None):
        monkeypatch.setattr(tool, "__doc__", document)
        with pytest.raises(SystemExit) as ended:
            tool.main()
        printed = capsys.readouterr().out
        assert ended.value.code == 0
        assert printed.startswith(f"usage: python -m tools.{name.removesuffix('.__main__')} [-h]")
        assert (document or "usage").splitlines()[0] in printed


def test_no_behaviour_hangs_on_what_python_drops_when_it_optimises():
    for path in CODE:
        for node in ast.walk(ast.parse(path.read_text())):
            assert not isinstance(node, ast.Assert), path
            assert not (isinstance(node, ast.Name) and node.id == "__debug__"), path


@pytest.mark.parametrize("arguments", [[], ["nosuch"], ["imdb", "digits"]])
def test_a_stage_without_the_name_of_a_data_set_says_which_there_are(
    monkeypatch, capsys, arguments
):
    monkeypatch.chdir(PROJECT)
    monkeypatch.setattr(stage, "stop_with_parent", lambda: None)
    monkeypatch.delenv("DVC_STAGE", raising=False)
    monkeypatch.setattr(sys, "argv", ["preprocess", *arguments])
    with pytest.raises(SystemExit) as ended:
        stage.run(preprocess.main)
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert all(name in said for name in params.load().datasets)


def test_in_another_folder_the_message_names_the_root(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["review", "HEAD"])
    for run in (lambda: stage.tool(review.main), lambda: stage.tool(sources.main)):
        with pytest.raises(SystemExit, match=str(ROOT)):
            run()


@pytest.mark.parametrize("script", ["tools/results.py", "stages/download.py"])
def test_a_file_that_is_run_as_a_script_says_how_to_run_it(tmp_path, script):
    done = subprocess.run(
        [sys.executable, ROOT / script], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert f"in {ROOT}: python -m {script.removesuffix('.py').replace('/', '.')}" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("folder", ["tools/review", "tools/predict", "studies/bench"])
def test_a_folder_that_is_run_as_a_script_says_how_to_run_it(tmp_path, folder):
    if not (ROOT / folder).exists():
        pytest.skip("studies/ was deleted")
    done = subprocess.run(
        [sys.executable, ROOT / folder], cwd=tmp_path, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert f"python -m {folder.replace('/', '.')}" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("name", TOOLS)
def test_every_tool_imports_the_package_that_a_script_lacks_before_the_others(name):
    imported = [
        node.module or ""
        for node in ast.parse(TOOLS[name].read_text()).body
        if isinstance(node, ast.ImportFrom)
    ]
    ours = [module for module in imported if module.split(".")[0] in ("stages", "tools")]
    assert ours[0].startswith("stages")


def test_without_a_git_repository_the_first_step_of_make_repro_says_git_init(monkeypatch, tmp_path):
    (tmp_path / ".dvc").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["repair"])
    with pytest.raises(SystemExit, match="git init"):
        repair.main()
