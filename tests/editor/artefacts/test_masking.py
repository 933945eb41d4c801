"""Labels that disclose nothing, and a key that is written once, privately, and not before it is asked to."""

import stat

import pytest

from detectors.fact import NOBODY, Fact
from editor.artefacts.masking import CaseKey, length_class
from editor.questions.probes import Target
from policies.errors import OutputError


def _fact(secret="555-0142", entity_type="PHONE_NUMBER", subject="Ada Quill"):
    return Fact(subject=subject, entity_type=entity_type, secret=secret, sources=())


def _stored(path):
    key = CaseKey.load_or_generate(path)
    key.store()
    return key


@pytest.fixture
def key():
    return CaseKey(bytes(range(32)))


class TestCaseKey:
    def test_label_names_the_type_and_eight_hexadecimal_digits(self, key):
        entity_type, digits = key.fact_label(_fact()).split(" ")
        assert entity_type == "PHONE_NUMBER"
        assert len(digits) == 8
        int(digits, 16)
        assert key.subject_label("Ada Quill").startswith("subject ")

    def test_whoever_is_not_known_has_words_instead_of_a_label(self, key):
        assert key.subject_label(NOBODY) == "a person not named"
        assert key.fact_label(_fact(subject=NOBODY)) != key.fact_label(_fact())

    def test_labels_are_stable_for_a_key_and_differ_across_keys(self, key):
        other = CaseKey.generate()
        assert key.fact_label(_fact()) == CaseKey(bytes(range(32))).fact_label(_fact())
        assert key.fact_label(_fact()) != other.fact_label(_fact())
        assert key.subject_label("Ada Quill") != other.subject_label("Ada Quill")

    def test_labels_depend_on_subject_type_and_secret(self, key):
        facts = [_fact(), _fact(subject="Ada Quil"), _fact(secret="555-0143"), _fact(entity_type="FAX")]
        assert len({key.fact_label(fact).split()[1] for fact in facts}) == 4

    def test_parts_cannot_be_shifted_into_each_other(self, key):
        shifted = _fact(subject="Ada QuillP", entity_type="HONE")
        assert key.fact_label(_fact(entity_type="PHONE")).split()[1] != key.fact_label(shifted).split()[1]

    def test_target_of_a_probe_has_the_label_of_its_fact(self, key):
        fact = _fact()
        target = Target(
            subject=fact.subject,
            relation=fact.entity_type,
            answer=fact.secret,
            personal=True,
            group="erased",
        )
        assert key.label(target) == key.fact_label(fact)

    def test_stored_key_is_private_and_read_back(self, tmp_path):
        path = tmp_path / "keys" / "case.key"
        made = _stored(path)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert CaseKey.load_or_generate(path).subject_label("x") == made.subject_label("x")

    def test_nothing_is_written_before_the_key_is_stored(self, tmp_path):
        key = CaseKey.load_or_generate(tmp_path / "keys" / "case.key")
        key.subject_label("x")
        assert list(tmp_path.iterdir()) == []

    def test_storing_again_changes_nothing(self, tmp_path):
        path = tmp_path / "case.key"
        key = _stored(path)
        written = path.read_bytes()
        key.store()
        CaseKey.load_or_generate(path).store()
        assert path.read_bytes() == written

    def test_key_of_memory_alone_is_stored_nowhere(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        CaseKey.generate().store()
        assert list(tmp_path.iterdir()) == []

    def test_key_that_another_run_stored_meanwhile_is_kept(self, tmp_path):
        path = tmp_path / "case.key"
        late = CaseKey.load_or_generate(path)
        _stored(path)
        written = path.read_bytes()
        with pytest.raises(OutputError, match="another run"):
            late.store()
        assert path.read_bytes() == written

    def test_two_keys_differ(self, tmp_path):
        keys = [CaseKey.load_or_generate(tmp_path / name) for name in ("a", "b")]
        assert keys[0].subject_label("x") != keys[1].subject_label("x")

    def test_key_is_never_shown(self, tmp_path):
        key = _stored(tmp_path / "case.key")
        stored = (tmp_path / "case.key").read_text().strip()
        assert repr(key) == str(key) == "CaseKey(********)"
        assert stored not in repr(key)

    def test_destroyed_key_labels_nothing(self, tmp_path):
        path = tmp_path / "case.key"
        key = _stored(path)
        key.destroy()
        assert not path.exists()
        assert "destroyed" in repr(key)
        with pytest.raises(OutputError, match="destroyed"):
            key.fact_label(_fact())
        with pytest.raises(OutputError, match="destroyed"):
            key.store()
        key.destroy()

    @pytest.mark.parametrize("content", ["", "not hexadecimal", "ab" * 31, "\udcff"])
    def test_damaged_key_is_refused(self, tmp_path, content):
        path = tmp_path / "case.key"
        path.write_bytes(content.encode("utf-8", "surrogateescape"))
        path.chmod(0o600)
        with pytest.raises(OutputError, match="not a readable case key"):
            CaseKey.load_or_generate(path)

    def test_key_that_others_may_read_is_refused(self, tmp_path):
        path = tmp_path / "case.key"
        _stored(path)
        path.chmod(0o644)
        with pytest.raises(OutputError, match="chmod 600"):
            CaseKey.load_or_generate(path)

    def test_unwritable_place_is_refused_before_anything_is_computed(self, tmp_path):
        (tmp_path / "file").touch()
        with pytest.raises(OutputError, match="cannot be written"):
            CaseKey.load_or_generate(tmp_path / "file" / "case.key")

    @pytest.mark.parametrize("late", ["folder", "file above"])
    def test_place_that_became_unwritable_is_refused(self, tmp_path, late):
        path = tmp_path / "keys" / "case.key"
        key = CaseKey.load_or_generate(path)
        if late == "folder":
            path.mkdir(parents=True)
        else:
            path.parent.touch()
        with pytest.raises(OutputError, match="cannot be written"):
            key.store()

    def test_wrong_size_is_a_programming_error(self):
        with pytest.raises(ValueError, match="32 bytes"):
            CaseKey(b"short")


@pytest.mark.parametrize(
    ("length", "expected"),
    [
        (1, "1-4"),
        (4, "1-4"),
        (5, "5-8"),
        (9, "9-16"),
        (16, "9-16"),
        (17, "17-32"),
        (64, "33-64"),
        (65, "over 64"),
    ],
)
def test_length_class(length, expected):
    assert length_class("x" * length) == f"{expected} characters"
