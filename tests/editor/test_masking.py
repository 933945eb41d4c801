"""Labels that disclose nothing, and a scanner that lets nothing through."""

import html
import json
import random
import stat
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from detectors.fact import Fact
from editor.masking import CaseKey, SecretScanner, length_class
from policies.errors import OutputError


def _fact(secret="555-0142", entity_type="PHONE_NUMBER", subject="Ada Quill"):
    return Fact(subject=subject, entity_type=entity_type, secret=secret, sources=())


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

    def test_stored_key_is_private_and_read_back(self, tmp_path):
        path = tmp_path / "keys" / "case.key"
        made = CaseKey.load_or_create(path)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert CaseKey.load_or_create(path).subject_label("x") == made.subject_label("x")

    def test_two_keys_differ(self, tmp_path):
        keys = [CaseKey.load_or_create(tmp_path / name) for name in ("a", "b")]
        assert keys[0].subject_label("x") != keys[1].subject_label("x")

    def test_key_is_never_shown(self, tmp_path):
        key = CaseKey.load_or_create(tmp_path / "case.key")
        stored = (tmp_path / "case.key").read_text().strip()
        assert repr(key) == str(key) == "CaseKey(********)"
        assert stored not in repr(key)

    def test_destroyed_key_labels_nothing(self, tmp_path):
        path = tmp_path / "case.key"
        key = CaseKey.load_or_create(path)
        key.destroy()
        assert not path.exists()
        assert "destroyed" in repr(key)
        with pytest.raises(OutputError, match="destroyed"):
            key.fact_label(_fact())
        key.destroy()

    @pytest.mark.parametrize("content", ["", "not hexadecimal", "ab" * 31, "\udcff"])
    def test_damaged_key_is_refused(self, tmp_path, content):
        path = tmp_path / "case.key"
        path.write_bytes(content.encode("utf-8", "surrogateescape"))
        path.chmod(0o600)
        with pytest.raises(OutputError, match="not a readable case key"):
            CaseKey.load_or_create(path)

    def test_key_that_others_may_read_is_refused(self, tmp_path):
        path = tmp_path / "case.key"
        CaseKey.load_or_create(path)
        path.chmod(0o644)
        with pytest.raises(OutputError, match="chmod 600"):
            CaseKey.load_or_create(path)

    def test_unwritable_place_is_refused(self, tmp_path):
        (tmp_path / "file").touch()
        with pytest.raises(OutputError, match="cannot be written"):
            CaseKey.load_or_create(tmp_path / "file" / "case.key")

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


SECRETS = {
    "555-0142": "phone",
    "+1 (415) 555-2671": "international phone",
    "123-45-6789": "ssn",
    "4024 0071 9133 5648": "card",
    "ada.quill@example.org": "email",
    "12 Rowan Lane, Rivermouth": "address",
    'O"Hara & Söhne <7>': "company",
}


@pytest.fixture(scope="module")
def scanner():
    return SecretScanner(SECRETS)


class TestForms:
    @pytest.mark.parametrize(("secret", "label"), SECRETS.items())
    @pytest.mark.parametrize(
        "form",
        [
            str,
            str.upper,
            lambda secret: f"<td>{html.escape(secret)}</td>",
            lambda secret: "".join(f"&#{ord(character)};" for character in secret),
            lambda secret: json.dumps({"a": secret}),
            lambda secret: json.dumps({"a": secret}, ensure_ascii=False),
            lambda secret: json.dumps("".join(f"\\u{ord(character):04x}" for character in secret)).replace(
                "\\\\", "\\"
            ),
            lambda secret: html.escape(json.dumps({"a": secret})),
            lambda secret: "".join(f"%{byte:02X}" for byte in secret.encode()),
            lambda secret: secret.replace(" ", "\n    "),
            lambda secret: secret.replace(" ", "\N{NO-BREAK SPACE}"),
            lambda secret: secret.replace("-", "\N{NON-BREAKING HYPHEN}"),
            lambda secret: f"x{secret}x" if not secret[0].isdigit() else f"x: {secret}.",
        ],
    )
    def test_every_form_is_found(self, scanner, secret, label, form):
        assert scanner.find(f"before {form(secret)} after") == label

    @pytest.mark.parametrize(
        ("text", "label"),
        [
            ("call 5550142 now", "phone"),
            ("call 555 0142", "phone"),
            ("call 555.0142.", None),  # a decimal fraction; see below
            ("tel:+1-555-0142", "phone"),
            ("ext (555) 0142", "phone"),
            ("415.555.2671", "international phone"),
            ("+14155552671", "international phone"),
            ("4155552671", "international phone"),
            ("ssn 123456789", "ssn"),
            ("ssn=123 45 6789;", "ssn"),
            ('"ssn": 123456789,', "ssn"),
            ("４０２４００７１９１３３５６４８", "card"),
            ("4024-0071-9133-5648", "card"),
            ("[4024.0071.9133.5648]", "card"),
        ],
    )
    def test_numbers_with_other_separators(self, scanner, text, label):
        assert scanner.find(text) == label

    @pytest.mark.parametrize(
        "text",
        [
            "15550142 and 55501429 and 0.5550142",
            "555.0142",
            '{"loss": 555.0142, "other": 5.550142}',
            "sha256 a5550142bcdef 12345678901",
            "[555, 142, 123, 45, 6789]",
            "123-45-67890 and 9123-45-6789",
            '<svg viewBox="0 0 555 0142"><path d="M 555 0142 L 123 45 6789"/></svg>',
            "ada.quill@example.com and 13 Rowan Lane, Rivermouth",
            "",
        ],
    )
    def test_chance_is_no_alarm(self, scanner, text):
        assert scanner.find(text) is None

    def test_dotted_number_as_it_stands_in_the_corpus_is_found(self):
        assert SecretScanner({"555.0142": "phone"}).find("call 555.0142 today") == "phone"

    def test_word_is_not_found_inside_another(self):
        scanner = SecretScanner({"Adaquill": "name"})
        assert scanner.find("Canadaquills") is None
        assert scanner.find("(adaquill)") == "name"

    def test_short_secrets_are_named_and_not_looked_for(self):
        scanner = SecretScanner({"ab-12": "tiny", "7": "digit", "555-0142": "phone"})
        assert scanner.unscannable == ("tiny", "digit")
        assert scanner.find("ab-12 7 and 7") is None
        assert scanner.find("555-0142") == "phone"

    def test_nothing_to_look_for(self):
        assert SecretScanner([]).find("555-0142 " * 100) is None

    def test_repr_shows_no_secret(self, scanner):
        assert not any(secret in repr(scanner) for secret in SECRETS)


class TestCheck:
    def test_error_names_artefact_and_label_and_not_the_secret(self, key):
        fact = _fact()
        scanner = SecretScanner.from_facts([fact], key)
        with pytest.raises(OutputError) as caught:
            scanner.check("call 555-0142", "report.html")
        assert "report.html" in str(caught.value)
        assert key.fact_label(fact) in str(caught.value)
        assert "0142" not in str(caught.value)

    def test_names_of_subjects_are_secrets_too(self, key):
        scanner = SecretScanner.from_facts([], key, subjects=["Ada Quill"])
        with pytest.raises(OutputError, match=key.subject_label("Ada Quill")):
            scanner.check("about ADA  QUILL", "card")

    def test_issued_labels_are_no_alarm(self, key):
        fact = _fact()
        label = key.fact_label(fact)
        digits = label.split()[1]
        scanner = SecretScanner.from_facts([fact, _fact(secret=digits, entity_type="CODE")], key)
        assert scanner.find(f"{label} leaked") is None
        assert scanner.find(f"code {digits}") is not None

    def test_file(self, scanner, tmp_path):
        path = tmp_path / "notes.txt"
        path.write_text("nothing\nhere")
        scanner.check(path)
        path.write_text("x" * 100 + " ssn 123456789\n")
        with pytest.raises(OutputError, match=r"notes\.txt would disclose ssn"):
            scanner.check(path)

    def test_secret_across_the_seam_of_two_pieces(self, scanner, tmp_path, monkeypatch):
        monkeypatch.setattr("editor.masking.PIECE_BYTES", 1000)
        path: Path = tmp_path / "long.txt"
        for before in range(980, 1001):
            path.write_text("." * before + "ada.quill@example.org" + "." * 5000)
            with pytest.raises(OutputError, match="email"):
                scanner.check(path)

    def test_binary_with_a_secret_in_its_text(self, scanner, tmp_path):
        path = tmp_path / "state.bin"
        path.write_bytes(bytes(range(256)) + b"ada.quill@example.org" + bytes(range(256)))
        with pytest.raises(OutputError, match="email"):
            scanner.check(path)

    def test_header_of_safetensors(self, scanner, tmp_path):
        path = tmp_path / "edit.safetensors"
        save_file({"delta": np.zeros(4, dtype=np.float32)}, path)
        scanner.check(path)
        save_file({"delta": np.zeros(4, dtype=np.float32)}, path, {"made for": "ada.quill@example.org"})
        with pytest.raises(OutputError, match="email"):
            scanner.check(path)


def test_many_secrets_take_little_time_and_raise_no_false_alarm():
    source = random.Random(0)
    secrets = {}
    while len(secrets) < 100_000:
        number = source.randint(10**8, 10**9 - 1)
        secrets[f"{number // 10**6}-{number // 10**4 % 100:02d}-{number % 10**4:04d}"] = "ssn"
        secrets[f"person{number}@example.org"] = "email"
        secrets[f"{source.randint(200, 999)}-{source.randint(200, 999)}-{source.randint(0, 9999):04d}"] = (
            "phone"
        )
    start = time.perf_counter()
    scanner = SecretScanner(secrets)
    built = time.perf_counter() - start
    rows = (
        f'{{"bits": {source.random() * 50}, "label": "US_SSN {source.getrandbits(32):08x}"}}'
        for _ in range(20_000)
    )
    digests = (f"{source.getrandbits(256):064x}" for _ in range(500))
    text = "\n".join([*rows, *digests])
    start = time.perf_counter()
    assert scanner.find(text) is None
    searched = time.perf_counter() - start
    assert scanner.find(text + list(secrets)[-1]) is not None
    assert built < 10
    assert searched < 10
