"""The commands of README and docs, pasted in turn into a clone: shrunk params, official files."""

import json
import os
import re
import shutil
import sys
import time

import pytest
import yaml
from small import ROOT, SMALL, Clone

pytestmark = pytest.mark.guides


def blocks(page):
    """The blocks of commands of a page: those that hold something to fill in are no `sh`."""
    return re.findall(r"^```sh\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)


PAGES = [  # with commands, in the order in which they are pasted
    ROOT / "README.md",
    *(
        ROOT / f"docs/{name}.md"
        for name in (
            "experiments-and-sweeps",
            "reading-a-review",
            "demo",
            "cluster-and-team",
            "contributing",
        )
    ),
]
BLOCKS = [block for page in PAGES for block in blocks(page)]
SLOW = [block for block in blocks(ROOT / "docs/demo.md") if "dvc exp run" in block]
QUICK = [block for block in BLOCKS if block not in SLOW]


@pytest.fixture(scope="module")
def clone(mirror, tmp_path_factory):
    """A clone as a reader has it: a main branch, a remote, .venv; its tests are one quick file."""
    folder = tmp_path_factory.mktemp("reader") / "clone"
    folder.mkdir()
    clone = Clone(folder, tuple(SMALL), shipped=True)
    (folder / ".venv").symlink_to(sys.prefix)
    for file in (*folder.glob("requirements*.lock"), folder / "tools/path.pth"):
        os.utime(file, (0, 0))  # or make would set up .venv anew
    for path in (folder / "tests").iterdir():
        if path.name not in ("conftest.py", "samples.py", "project", "test_files.py"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    clone.git("config", "user.name", "test")
    clone.git("config", "user.email", "test@example.com")
    clone.git("init", "-q", "--bare", folder.parent / "origin.git")
    clone.git("remote", "add", "origin", folder.parent / "origin.git")
    clone.mirror, clone.said = str(mirror), {}
    paste(clone, QUICK[0])
    clone.commit()  # before anything is changed
    clone.git("branch", "-qM", "main")
    clone.git("push", "-q", "origin", "main")
    for block in QUICK[1:]:
        paste(clone, block)
    return clone


def paste(clone, block):
    """Run the commands of a block as they stand, to the end of the queue that they start."""
    done = clone.run("bash", "-eo", "pipefail", "-c", block, DATASETS_MIRROR=clone.mirror)
    assert done.returncode == 0, block + done.stdout + done.stderr
    clone.said[block] = done.stdout + done.stderr
    if "dvc queue start" in block:
        wait_for_queue(clone)


def wait_for_queue(clone):
    for _ in range(3000):  # the time that a queue takes decides nothing
        status = clone.dvc("queue", "status")
        if not re.search("Queued|Running", status):
            break
        time.sleep(5)  # to ask takes a second of a core
    assert not re.search("Queued|Running|Failed", status), status


def said(clone, word):
    """What the block said that has this word."""
    (block,) = [block for block in QUICK if word in block]
    return clone.said[block]


def test_no_command_ends_in_a_traceback(clone):
    assert [block for block, output in clone.said.items() if "Traceback" in output] == []


def test_the_official_files_go_through_the_pipeline(clone):
    ran = json.loads(clone.git("show", "main:metrics/boston_housing.json"))
    assert ran["source"] == "official"
    assert ran["baseline"]["mae"] == 6.533
    for name, better_than in {"imdb": 0.8, "reuters": 0.5}.items():
        figures = json.loads(clone.git("show", f"main:metrics/{name}.json"))
        assert figures["test"]["accuracy"]["mean"] > better_than > figures["baseline"]["accuracy"]


def test_a_run_ends_with_the_results(clone):
    output = clone.said[QUICK[0]]
    for name in SMALL:
        assert re.search(
            rf"^{name} +(accuracy|mae) +[\d.]+ +[\d.]+ \([\d.]+ to [\d.]+\)", output, re.MULTILINE
        )


def test_the_tests_run(clone):
    assert re.search(r"\d+ passed", said(clone, "make test"))


def test_the_review_of_the_readme_begins_as_it_shows(clone):
    output = clone.said[QUICK[1]]
    assert "metrics/boston_housing.json" in output
    # The words of a line without its numbers: another machine has others.
    form = r"^(?:> )?- \*\*boston_housing: .+"
    words = [
        re.sub(r"[\d.]+", "", line).removeprefix("> ")
        for text in (PAGES[0].read_text(), output)
        for line in re.findall(form, text, re.MULTILINE)
    ]
    assert len(words) == 2
    assert words[0].split(",")[1] == words[1].split(",")[1]


def test_dvcs_own_commands_compare_an_experiment_with_the_last_commit(clone):
    output = said(clone, "dvc params diff")
    assert "| metrics/imdb.json | kfold.accuracy.mean" in output
    assert "metrics/reuters.json" not in output
    assert "datasets.imdb.model.dropout" in output
    assert "dvc_plots/index.html" in output


def test_the_sweep_ran_and_its_table_has_all_of_it(clone):
    refs = clone.git("for-each-ref", "--format=%(refname)", "refs/exps").split()
    penalties = {
        ref: yaml.safe_load(clone.git("show", f"{ref}:params.yaml"))["datasets"]["imdb"]["model"][
            "l2"
        ]
        for ref in refs
    }
    assert {float(penalty) for penalty in penalties.values()} == {0, 1e-4, 1e-3}
    # The queue was at work when the block ended, and main has moved on since then.
    swept = next(ref for ref, penalty in penalties.items() if float(penalty))
    output = clone.run("make", "compare", f"BASE={''.join(swept.split('/')[2:4])}").stdout
    for penalty in penalties.values():
        assert (f"model.l2={penalty}`" in output) == (float(penalty) > 0)  # the base has none


def assert_alone(clone, blocks, names):
    """Each of these variants changes what its command says, and is on top of no other."""
    queued = r"dvc exp run --queue --name (\S+)((?: \\\n +-S \S+)+)"
    commands = dict(re.findall(queued, "".join(blocks)))
    assert commands.keys() >= names
    for name in names:
        settings = re.findall(r"-S (\S+)", commands[name])
        diff = json.loads(clone.dvc("params", "diff", "--json", "main", name))
        changed = {
            key: str(values["new"]).replace(" ", "")
            for file in diff.values()
            for key, values in file.items()
        }
        assert changed == dict(setting.split("=") for setting in settings)


@pytest.mark.slow
def test_each_variant_of_the_demo_changes_what_its_command_says_alone(clone):
    clone.git("checkout", "--quiet", ".")  # a page's commands begin at the last commit
    for block in SLOW:
        paste(clone, block)
    named = {"softer", "smoother", "bigrams", "balanced", "deeper", "bottleneck"}
    assert_alone(clone, SLOW, named)


def test_the_review_and_its_page_are_there(clone):
    assert "# Review: main → workspace" in said(clone, "PAGE=review.html")
    assert "</html>" in (clone.folder / "review.html").read_text()


def test_the_trained_models_answer(clone):
    output = said(clone, "tools.predict")
    assert re.search(r"^(good|bad)  0\.\d+", output, re.MULTILINE)
    assert "thousand dollars" in output


def test_an_experiment_is_shared_with_its_results(clone):
    assert "shorter" in clone.dvc("exp", "list", "origin", "--all-commits")
    pushed = [path for path in (clone.folder.parent / "team-cache").rglob("*") if path.is_file()]
    assert any(path.stat().st_size for path in pushed)


def test_no_other_page_has_commands():
    pages = (ROOT / "docs").glob("*.md")
    followed = {*PAGES, ROOT / "docs/your-own-data.md"}  # the last by test_guides
    assert [page for page in pages if blocks(page) and page not in followed] == []


def test_afterwards_nothing_lies_about_that_git_would_take(clone):
    assert "??" not in clone.git("status", "--short")
