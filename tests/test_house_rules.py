"""The rules that keep the project small: what stages import, declare and read."""

import ast
import re
from pathlib import Path

import pytest
import yaml

from stages.core.declared import dataset, params

ROOT = Path(__file__).parent.parent
STAGES = sorted(path for path in (ROOT / "stages").glob("*.py") if path.name != "__init__.py")
CORE = sorted(path for path in (ROOT / "stages/core").rglob("*.py") if path.name != "__init__.py")
NETWORKS = sorted(
    path for path in (ROOT / "stages/networks").glob("*.py") if path.name != "__init__.py"
)
TENSORFLOW = {"tensorflow", "keras", "stages.core.run.lean_keras"}
GRAPH = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]


def imports(path):
    """The modules that a file imports: dotted names, first-party ones down to the module."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def modules(path):
    """The first-party files that a file imports, and those that they import in turn."""
    found = set()
    for name in imports(path):
        file = ROOT / (name.replace(".", "/") + ".py")
        if name.startswith("stages.") and file.is_file() and file not in found:
            found |= {file} | modules(file)
    return found


def by_name(path):
    return path.stem


def test_each_file_in_stages_is_a_stage_of_that_name():
    assert sorted(GRAPH) == [path.stem for path in STAGES]
    for name, stage in GRAPH.items():
        assert stage["foreach"] == ("${sweeps}" if name == "sweep" else "${datasets}")
        assert stage["do"]["cmd"] == f"python -m stages.{name} ${{key}}"
        assert stage["do"]["desc"]


@pytest.mark.parametrize("path", STAGES, ids=by_name)
def test_each_first_party_import_is_a_dependency(path):
    declared = [
        ROOT / dep
        for dep in GRAPH[path.stem]["do"]["deps"]
        if dep.startswith("stages/") and "{" not in dep and dep != "stages/networks"  # by its name
    ]
    needed = {path} | modules(path)
    assert [file for file in needed if not any(file.is_relative_to(dep) for dep in declared)] == []
    assert [dep for dep in declared if not any(file.is_relative_to(dep) for file in needed)] == []
    assert [
        dep
        for dep in declared
        if any(dep != other and dep.is_relative_to(other) for other in declared)
    ] == []


@pytest.mark.parametrize("path", CORE, ids=by_name)
def test_core_imports_no_stage(path):
    assert not {file for file in modules(path) if file.parent.name == "stages"}


@pytest.mark.parametrize("name", ["download", "preprocess", "evaluate"])
def test_stages_without_training_import_no_tensorflow(name):
    path = ROOT / f"stages/{name}.py"
    reached = set().union(*map(imports, {path} | modules(path)))
    assert not {module for module in reached if any(module.startswith(name) for name in TENSORFLOW)}


KINDS = [
    dataset.Data,
    dataset.Cut,
    dataset.Columns,
    dataset.Table,
    dataset.ImageOfSize,
    dataset.MultiHot,
    dataset.Sequence,
    dataset.Features,
    dataset.Image,
    *dataset.FITS.values(),
    dataset.Final,
]
KINDS += [dataset.KFold, dataset.Review, params.Params]


@pytest.mark.parametrize("key", sorted({key for kind in KINDS for key in kind.model_fields}))
def test_each_param_is_read(key):
    review = (ROOT / "tools/review").glob("*.py")
    readers = [path for path in [*STAGES, *CORE, *review] if path.stem not in ("params", "dataset")]
    assert any(re.search(rf"[.\"]{key}\b", path.read_text()) for path in readers)


@pytest.mark.parametrize("path", NETWORKS, ids=by_name)
def test_each_argument_of_a_network_is_used(path):
    (build,) = [
        node for node in ast.parse(path.read_text()).body if getattr(node, "name", "") == "build"
    ]
    used = {node.id for node in ast.walk(ast.Module(build.body, [])) if isinstance(node, ast.Name)}
    assert {argument.arg for argument in [*build.args.args, *build.args.kwonlyargs]} <= used


def test_no_code_asks_for_the_name_of_a_data_set():
    for path in STAGES + CORE + NETWORKS:
        assert not re.search(
            r"(==|!=|\bin\b) *[\[({]? *[\"'](imdb|reuters|boston|digits)", path.read_text()
        ), path


OURS = [path for folder in ("stages", "tools", "studies") for path in (ROOT / folder).rglob("*.py")]


@pytest.mark.parametrize("path", OURS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_has_at_most_300_lines_and_a_function_50(path):
    text = path.read_text()
    assert len(text.splitlines()) <= 300
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, functions):
            assert node.end_lineno - node.lineno < 50, node.name


def test_every_requirement_of_the_lock_files_has_a_hash_and_no_host():
    for name in ("requirements.lock", "requirements-cluster.lock", "requirements-test.lock"):
        text = (ROOT / name).read_text()
        assert "://" not in text
        assert "index-url" not in text
        entries = re.findall(
            r"^[a-z0-9][^\n]*==(?:[^\n]*\\\n)(?: +--hash=sha256:[0-9a-f]{64}(?: \\)?\n)+",
            text,
            re.MULTILINE,
        )
        assert len(entries) == len(re.findall(r"^[a-z0-9][^\n]*==", text, re.MULTILINE)) > 5


def test_each_direct_dependency_has_a_reason():
    listed = re.search(
        r"\ndependencies = \[\n(.*?)\n\]", (ROOT / "pyproject.toml").read_text(), re.DOTALL
    )[1]
    for line in listed.splitlines():
        assert re.match(r' {4}"[a-z-]+[^"]*", +# \w', line), line


@pytest.mark.parametrize(
    "path",
    [
        *STAGES,
        *CORE,
        *sorted((ROOT / "tools").rglob("*.py")),
        *sorted((ROOT / "studies").rglob("*.py")),
    ],
    ids=by_name,
)
def test_text_is_read_and_written_as_utf_8_whatever_the_locale(path):
    for call in (
        node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)
    ):
        said = ast.unparse(call)
        name = getattr(call.func, "attr", getattr(call.func, "id", ""))
        binary = re.search(r"'[rwxa+]*b[rwxa+]*'", said) or re.match(
            r"(os|archive|tarfile)\.", said
        )
        if (
            "text=True" in said
            or name in ("read_text", "write_text")
            or (name == "open" and not binary)
        ):
            assert re.search("utf-?8", said), said
