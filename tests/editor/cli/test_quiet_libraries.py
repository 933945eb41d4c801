"""On the command line, no library's bar or warning stands among what Expunge says."""

import logging
import os
import sys
import warnings

import pytest

from editor import cli


@pytest.fixture
def outside(monkeypatch):
    """What the whole process has, put back afterwards."""
    monkeypatch.setattr(os, "environ", {"TRANSFORMERS_VERBOSITY": "info"})
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    monkeypatch.setattr(sys, "warnoptions", [])
    with warnings.catch_warnings():
        yield monkeypatch


@pytest.mark.usefixtures("outside")
def test_warnings_and_messages_that_nobody_handles(capsys):
    cli.quieten_libraries()
    warnings.warn("a library's", stacklevel=1)
    logging.getLogger("some.library").warning("a library's")
    assert capsys.readouterr() == ("", "")
    assert os.environ["TQDM_DISABLE"] == os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] == "1"


@pytest.mark.usefixtures("outside")
def test_what_somebody_asked_for_stays():
    cli.quieten_libraries()
    assert os.environ["TRANSFORMERS_VERBOSITY"] == "info"


def test_warnings_that_python_was_told_to_show(outside):
    outside.setattr(sys, "warnoptions", ["default"])
    cli.quieten_libraries()
    with pytest.warns(UserWarning, match="a library's"):
        warnings.warn("a library's", stacklevel=1)


def test_tests_and_programs_that_call_it_keep_their_own(monkeypatch):
    monkeypatch.setattr(cli, "quieten_libraries", lambda: pytest.fail("it changed the process"))
    with pytest.raises(SystemExit):
        cli.main(["--version"])
