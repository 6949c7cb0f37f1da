"""Tests of the shipped data sets, of their results and of the README; passed over where those are gone."""

from pathlib import Path

import pytest

from stages.core.declared import params, sources

SHIPPED = "imdb", "reuters", "boston_housing", "digits"
ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def project_of_the_tests(monkeypatch):
    """The real data sets: over the fixture of that name which takes those of the tests."""
    monkeypatch.chdir(ROOT)
    if gone := [
        name
        for name in SHIPPED
        if not sources.path_of(name).is_file() or name not in params.load().datasets
    ]:
        pytest.skip(f"shipped data sets are gone: {', '.join(gone)}")
