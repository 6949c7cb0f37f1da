"""Tests of the shipped data sets, of their results and of the README."""

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def project_of_the_tests(monkeypatch):
    """The real data sets: in place of the fixture of that name which takes those of the tests."""
    monkeypatch.chdir(Path(__file__).parents[2])
