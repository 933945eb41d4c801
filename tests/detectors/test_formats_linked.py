"""Every format of file gives the same people's facts, nobody being named beforehand."""

import pytest

from tests.benchmarks.formats import FIELDS, PEOPLE, counts, files

FILES = files()


@pytest.mark.parametrize("what", FILES)
def test_all_facts_are_found_with_their_owners_and_no_others(what, tmp_path):
    name, content = FILES[what]
    path = tmp_path / name
    path.write_bytes(content)
    assert counts(path) == (dict.fromkeys(FIELDS, len(PEOPLE)), 0)
