"""Invented reports for the tests of the page, the card and the terminal."""

import pytest
from made_reports import MAKERS, make_erase_report


@pytest.fixture(scope="session")
def make_report():
    """Makes a report of a kind, with changes."""
    return lambda kind="erase", **changes: MAKERS[kind](**changes)


@pytest.fixture(scope="session")
def erase_report():
    return make_erase_report()


@pytest.fixture(scope="session", params=sorted(MAKERS))
def any_report(request):
    return MAKERS[request.param]()
