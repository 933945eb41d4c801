"""A folder of requests, and runs that dealt with them."""

from datetime import date

import pytest
from made_runs import KEY, made_report, write_run

from editor.artefacts.masking import CaseKey
from editor.casework.folder import RequestFolder
from policies import Subject

RECEIVED, TODAY = date(2026, 1, 31), date(2026, 2, 2)


@pytest.fixture
def requests(tmp_path):
    return RequestFolder(tmp_path / "requests")


@pytest.fixture
def opened(requests):
    """Opens a request."""

    def add(name="Ada Quill", *, received=RECEIVED, today=TODAY, identifier=None, **options):
        asked = {name: options.pop(name) for name in ("extension", "entity_types") if name in options}
        return requests.add(
            Subject(name=name, **options), received=received, today=today, identifier=identifier, **asked
        )

    return add


@pytest.fixture
def ran(tmp_path):
    """Writes the folder of a run about facts."""

    def write(*facts, name="erased", key=KEY, **changes):
        return write_run(tmp_path / name, made_report(facts, CaseKey(key), **changes), key)

    return write
