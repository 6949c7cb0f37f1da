"""Tests of the shipped data sets, of their results and of the README."""

from pathlib import Path

import pytest

from stages.core.declared import sources


@pytest.fixture(autouse=True)
def shipped(monkeypatch):
    """The real data sets, in place of those of the tests."""
    monkeypatch.chdir(Path(__file__).parents[2])
    monkeypatch.setattr(sources, "FOLDER", Path("data/sources"))
