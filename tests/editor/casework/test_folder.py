"""The folder: written whole and for its owner alone, read by every command, and nothing in it overlooked."""

import os
import shutil
from contextlib import contextmanager
from datetime import date

import pytest

from detectors.files import locked, try_lock
from editor.casework import folder as folders
from editor.casework.closing import close_without
from editor.casework.folder import RequestFolder, WorkCase
from policies import Subject, load_request
from policies.errors import ExpungeError, OutputError, PolicyError, RequestError

RECEIVED, TODAY = date(2026, 1, 31), date(2026, 2, 2)
FULL = {
    "aliases": ("A. Quill", "Żółć: #1", "null", "0123"),
    "born": date(1980, 5, 17),
    "email": ["ada@example.org"],
    "secrets": {"PHONE_NUMBER": ["0415550101", "415-555-0102"], "US_SSN": "123-45-6789"},
}


def test_what_is_opened_is_read_again_by_everybody_and_by_nobody_else(requests, opened):
    case = opened("Ada Quill", entity_types=["PHONE_NUMBER", "US_SSN"], **FULL)
    read = load_request(case.path / "request.yaml")
    assert read == requests.case(case.id).request == case.request
    assert read.subjects[0] == Subject(name="Ada Quill", **FULL)
    assert requests.cases() == (case,)
    paths = [requests.path, case.path, *case.path.iterdir()]
    assert {path.name for path in case.path.iterdir()} == {"request.yaml", "case.yaml"}
    assert not [path for path in paths if path.stat().st_mode & 0o077]
    assert not [word for word in ("Quill", "0415550101", "ada@") if word in repr(case)]
    assert not [word for word in ("ada", "quill") if word in case.id.casefold().replace("-", " ").split()]


def test_cases_are_random_unless_one_is_given_and_then_all_is_the_same(requests, opened, tmp_path):
    assert opened("Ada Quill").id != opened("Bruno Marsh").id
    written = []
    for name in ("one", "two"):
        case = RequestFolder(tmp_path / name).add(
            Subject(name="Ada Quill"), received=RECEIVED, today=TODAY, identifier="2026-031"
        )
        written.append({path.name: path.read_bytes() for path in case.path.iterdir()})
    assert written[0] == written[1]
    assert [case.deadline for case in requests.cases()] == [date(2026, 2, 28)] * 2


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("ada QUILL", {}),
        ("Ada Marsh", {"aliases": ("a. quill",)}),
        ("Ada Quill", {"born": date(1980, 5, 17)}),
        ("A. Quill", {"born": date(1999, 1, 1)}),
    ],
)
def test_a_second_request_of_a_person_is_refused_and_says_which_is_open(opened, requests, name, options):
    first = opened("Ada Quill", aliases=("A. Quill",))
    with pytest.raises(RequestError, match=f"Request {first.id}, received on 2026-01-31") as refused:
        opened(name, **options)
    assert "quill" not in str(refused.value).casefold()
    assert requests.cases() == (first,)
    close_without(first, "not in the text", TODAY)
    assert opened(name, **options).state == "open"


def test_two_people_of_one_name_are_told_apart_by_their_birth(opened):
    opened("Ada Quill", born=date(1980, 5, 17))
    assert opened("Ada Quill", born=date(1981, 5, 17)).state == "open"


@pytest.mark.parametrize(
    ("options", "cause"),
    [
        ({"received": date(2026, 2, 3)}, "after today"),
        ({"identifier": "quill-1"}, "part of the person's name"),
        ({"identifier": "QuillAda"}, "part of the person's name"),
        ({"identifier": "../out"}, "not made of letters"),
        ({"identifier": "taken"}, "is a request taken"),
        ({"extension": " "}, "no reason"),
        ({"extension": "many", "received": date(2025, 12, 1)}, "first month ended"),
        ({"secrets": {"US_SSN": "1"}, "entity_types": ["PHONE_NUMBER"]}, "leaves out"),
    ],
)
def test_what_cannot_be_is_refused_and_leaves_nothing(requests, opened, options, cause):
    opened("Bruno Marsh", identifier="taken")
    with pytest.raises(ExpungeError, match=cause):
        opened("Ada Quill", **options)
    assert [path.name for path in requests.path.iterdir()] == ["taken"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(28, "No space left on device")])
def test_a_request_is_written_wholly_or_not_at_all(requests, opened, monkeypatch, error):
    write = folders.write_private_text

    def fail(path, pieces, what):
        if path.name == "case.yaml":
            raise error
        return write(path, pieces, what)

    monkeypatch.setattr(folders, "write_private_text", fail)
    with pytest.raises((KeyboardInterrupt, OutputError)):
        opened("Ada Quill")
    assert list(requests.path.iterdir()) == []


def test_nothing_in_the_folder_is_overlooked(requests, opened):
    case = opened("Ada Quill", identifier="one")
    (requests.path / ".hidden").write_text("x")
    assert requests.cases() == (case,)
    stray = requests.path / "request.yaml"
    stray.write_text("case: a\nsubjects: [Bruno Marsh]\n")
    with pytest.raises(RequestError, match=r"request\.yaml lies among the requests"):
        requests.cases()
    stray.unlink()
    moved = shutil.copytree(case.path, requests.path / "two")
    with pytest.raises(PolicyError, match="another case than its folder"):
        requests.cases()
    shutil.rmtree(moved)
    (case.path / "case.yaml").write_text("received: soon\n")
    with pytest.raises(PolicyError, match=r"case\.yaml: `received`"):
        requests.cases()
    (case.path / "case.yaml").unlink()
    with pytest.raises(RequestError, match=r"has no request\.yaml or no case\.yaml"):
        requests.cases()


@pytest.mark.parametrize("name", ["nowhere", "..", "../requests", "", "."])
def test_a_case_that_is_not_there_is_named(requests, opened, name):
    opened("Ada Quill")
    with pytest.raises(RequestError, match="no request"):
        requests.case(name)


def test_without_a_folder_there_is_nothing_to_list(requests):
    with pytest.raises(RequestError, match="There is no folder"):
        requests.cases()


def test_an_extension_is_kept(requests, opened):
    case = opened("Ada Quill", identifier="one").extend("many requests", TODAY)
    assert requests.case("one") == case
    assert (case.deadline, case.days_left(date(2026, 5, 2))) == (date(2026, 4, 30), -2)
    assert isinstance(case, WorkCase)


@pytest.fixture
def meanwhile(monkeypatch):
    """Let something be done by somebody else right before a lock is had."""

    def do(action):
        waiting = [action]

        @contextmanager
        def had(path):
            while waiting:
                waiting.pop()()
            with locked(path):
                yield

        monkeypatch.setattr(folders, "locked", had)

    return do


def test_of_two_requests_opened_at_once_each_sees_the_other(requests, opened, meanwhile):
    meanwhile(lambda: opened("Ada Quill", identifier="one"))
    with pytest.raises(RequestError, match="Request one"):
        opened("Ada Quill")
    meanwhile(lambda: opened("Bruno Marsh", identifier="two"))
    with pytest.raises(RequestError, match="is a request two"):
        opened("Cora Finch", identifier="two")
    assert [case.id for case in requests.cases()] == ["one", "two"]


def test_a_change_is_made_to_the_record_as_it_is_by_then(requests, opened, meanwhile):
    case = opened("Ada Quill", identifier="one")
    meanwhile(lambda: close_without(case, "not in the text", TODAY))
    with pytest.raises(RequestError, match="was closed"):
        case.extend("many requests", TODAY)
    other = opened("Bruno Marsh", identifier="two")
    meanwhile(lambda: other.extend("many requests", TODAY))
    assert close_without(other, "not in the text", TODAY).record.extension is not None
    assert requests.case("two").record.extension is not None


def test_a_folder_is_held_until_the_block_ends(tmp_path):
    descriptor = os.open(tmp_path, os.O_RDONLY)
    try:
        with locked(tmp_path):
            assert try_lock(descriptor) is False
        assert try_lock(descriptor) is True
    finally:
        os.close(descriptor)


def test_what_cannot_be_locked_is_used_without(tmp_path):
    with locked(tmp_path / "missing"):
        pass
