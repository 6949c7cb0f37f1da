"""What tests of the review share."""

import sys
from functools import partial

import pytest
from made_up import made

from stages.core.judge import comparison
from tools.review import __main__ as review


@pytest.fixture
def project(tmp_path, monkeypatch):
    return made(tmp_path, monkeypatch)


@pytest.fixture
def run(monkeypatch, capsys):
    """Run the review as a person would, in this process: its arguments -> what it prints."""
    # Fewer draws, for the sake of time: tests/test_comparison.py has those of the interval.
    monkeypatch.setattr(comparison, "bootstrap", partial(comparison.bootstrap, draws=100))

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["review", *arguments])
        capsys.readouterr()
        review.main()
        printed = capsys.readouterr()
        assert printed.err == ""
        return printed.out

    return run


@pytest.fixture
def refused(run, capsys):
    """Run the review where it must stop, with exit status 1 -> its message."""

    def refused(*arguments):
        with pytest.raises(SystemExit) as stopped:
            run(*arguments)
        assert capsys.readouterr().out == ""
        assert isinstance(stopped.value.code, str)
        assert stopped.value.code.startswith("review: ")
        return stopped.value.code

    return refused
