"""What was tried and what came of it is kept, and written to docs/reliability.md by `make test-
faults`.
"""

from collections import Counter
from pathlib import Path

import pytest
from small import shared

from stages.core.run.files import whole

TRIED = pytest.StashKey[Counter]()
HEAD = """# What was tried, and what came of it

Written by `make test-faults` from what its tests saw: a fault is counted when it was brought
about and the outcome was the one that stands here; where any is not, the suite fails and this page
stays as it was.

| fault | tried | outcome |
|---|---|---|
"""


def pytest_configure(config):
    """A place for what the tests say."""
    config.stash[TRIED] = Counter()


@pytest.fixture
def tried(request):
    """tried(fault, outcome, times=1): count a fault whose outcome was seen."""

    def count(fault, outcome, times=1):
        request.config.stash[TRIED][fault, outcome] += times

    return count


def pytest_sessionfinish(session, exitstatus):
    """Write the page, after a whole run in which nothing failed, was skipped or was left out."""
    page, counts = session.config.getoption("--reliability"), session.config.stash[TRIED]
    if not page or exitstatus:
        return
    seen = session.config.pluginmanager.get_plugin("terminalreporter").stats
    if left_out := [*seen.get("skipped", []), *seen.get("deselected", [])]:
        raise pytest.UsageError(
            f"{page} is as it was: {len(left_out)} tests were skipped or left out"
        )
    lines = [f"| {fault} | {times:,} | {outcome} |\n" for (fault, outcome), times in counts.items()]
    with whole(Path(page)) as path:
        path.write_text(HEAD + "".join(lines))


@pytest.fixture(scope="session")
def ran(tmp_path_factory):
    """A clone in which everything has run."""
    return shared(tmp_path_factory, tmp_path_factory.mktemp("faults") / "ran")


@pytest.fixture
def clone(ran):
    """The clone in which everything has run; a test must leave it so."""
    before = ran.state()
    yield ran
    assert ran.state() == before, "the test left the clone other than it found it"
