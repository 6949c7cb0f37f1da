"""What the project is made of: hashes for everything, nothing secret, nothing that runs what it
reads.
"""

import json
import re
import subprocess
import sys

import pytest
from small import ROOT

from tools import audit

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


def package(name, **said):
    return {"name": name, "version": "1.0", "vulns": []} | said


def test_a_vulnerability_is_named_with_what_repairs_it(tried):
    found = package("foo", vulns=[{"id": "PYSEC-1", "fix_versions": ["1.1", "2.0"]}])
    output = json.dumps({"dependencies": [package("bar"), found]})
    assert audit.problems(output, "") == ["foo 1.0: PYSEC-1, repaired in 1.1, 2.0"]
    tried("the audit finds a vulnerability", "it is named, exit status 1")


def test_a_package_that_was_not_checked_is_named(tried):
    output = json.dumps(
        {"dependencies": [package("bar"), {"name": "foo", "skip_reason": "not found"}]}
    )
    assert audit.problems(output, "") == ["foo was not checked: not found"]
    tried("the database does not know a package", "it is named, exit status 1")


@pytest.mark.parametrize(
    ("output", "complaint"),
    [
        ("", "Traceback\nConnectionError: Max retries exceeded"),
        ("", ""),
        (json.dumps({"dependencies": [{"name": "foo", "skip_reason": "not found"}]}), ""),
    ],
)
def test_the_audit_says_when_no_database_can_be_reached(output, complaint, tried):
    (line,) = audit.problems(output, complaint)
    assert line.startswith("not checked, no database of vulnerabilities can be reached")
    assert not complaint or line.endswith("ConnectionError: Max retries exceeded")
    tried("no database of vulnerabilities can be reached", "said so, exit status 1")


@pytest.mark.slow
def test_the_audit_of_the_lock_files_ends_with_a_verdict_on_each(tried):
    done = subprocess.run(
        [sys.executable, "-m", "tools.audit"], cwd=ROOT, capture_output=True, text=True
    )
    assert "Traceback" not in done.stderr
    for lock in audit.LOCKS:
        fine, wrong = (
            f"{lock.name}: no known vulnerability" in done.stdout,
            f"audit: {lock.name}: " in done.stderr,
        )
        assert fine != wrong
        assert done.returncode or fine
        outcome = (
            "no known vulnerability"
            if fine
            else "it says what is wrong, or that no database can be reached"
        )
        tried("`make audit` of a lock file", outcome)
