"""What the project is made of: hashes for everything, nothing secret, nothing that runs what it
reads.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from small import ROOT

LISTED = subprocess.run(
    ["git", "ls-files", "-coz", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True
)
TEXTS = [
    ROOT / name
    for name in filter(None, LISTED.stdout.split("\0"))
    if (ROOT / name).is_file() and not name.endswith((".png", ".lock", ".html"))
]
SECRETS = r"""(?ix) -----BEGIN[ ][A-Z ]*PRIVATE[ ]KEY | \bAKIA[0-9A-Z]{16}\b | \bgh[pousr]_[0-9A-Za-z]{36}\b
    | \b(password|passwd|secret|api_?key|token)\b \s* [=:] \s* ["'][^"'{}$]{8,}["']"""
RUNS = [  # what a file from elsewhere could run through
    r"\bshell\s*=\s*True",
    r"\ballow_pickle\s*=\s*True",
    r"\byaml\.load\(",
    r"(?<![\w.])(eval|exec)\(",
    r"\bos\.system\(",
]


def test_no_file_holds_a_secret(tried):
    for path in TEXTS:
        assert not re.search(SECRETS, path.read_text(errors="replace")), path
    assert re.search(SECRETS, f"password = {'correct horse'!r}"), "the pattern finds one"
    tried("a secret in the tree", "there is none", len(TEXTS))


@pytest.mark.parametrize("call", RUNS)
def test_nothing_that_runs_what_it_reads_is_in_the_tree(call, tried):
    code = [path for path in TEXTS if path.suffix == ".py" or path.name in ("Makefile", "run")]
    assert len(code) > 60
    for path in code:
        assert not re.search(call, path.read_text()), path
    tried("code that runs what it reads", "there is none", len(code))


def test_every_requirement_is_pinned_with_hashes(tried):
    for name in ("requirements.lock", "requirements-cluster.lock", "requirements-test.lock"):
        lines = (ROOT / name).read_text().replace("\\\n", " ").splitlines()
        pinned = [line for line in lines if line and not line.startswith(("#", " "))]
        assert len(pinned) > 20
        for line in pinned:
            assert re.match(r"[a-z0-9._-]+==\S+ .*--hash=sha256:[0-9a-f]{64}", line), line
        tried("a requirement without a version and hashes", "there is none", len(pinned))


def test_an_audit_without_a_database_fails_in_one_line(tried):
    make = ["make", "--no-print-directory", "-n", "audit"]  # it may run within another
    recipe = subprocess.run(make, cwd=ROOT, capture_output=True, text=True)
    audit = recipe.stdout[recipe.stdout.index("set -o pipefail") :]
    assert all(lock.name in audit for lock in ROOT.glob("requirements*.lock"))
    nowhere = dict.fromkeys(("HTTPS_PROXY", "https_proxy"), "http://127.0.0.1:9")
    environment = os.environ | nowhere | {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"}
    done = subprocess.run(
        ["bash", "-c", audit], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch(r"\S.*pypi.*\n", done.stderr), done.stderr
    tried("no database of vulnerabilities can be reached", "said so in a line, exit status 1")
