"""A scanner that lets no secret through and takes nothing else for one."""

import html
import json
import random
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from growth import growth
from safetensors.numpy import save_file

from detectors.fact import Fact
from editor.artefacts.masking import CaseKey
from editor.artefacts.scanner import SecretScanner
from policies.errors import OutputError


def _fact(secret="555-0142", entity_type="PHONE_NUMBER"):
    return Fact(subject="Ada Quill", entity_type=entity_type, secret=secret, sources=())


@pytest.fixture
def key():
    return CaseKey(bytes(range(32)))


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
            r"\unknown and \u00 and a last \u",  # no escapes of JSON
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
        monkeypatch.setattr("editor.artefacts.scanner.PIECE_BYTES", 1000)
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
    scanner = SecretScanner(secrets)
    rows = (
        f'{{"bits": {source.random() * 50}, "label": "US_SSN {source.getrandbits(32):08x}"}}'
        for _ in range(20_000)
    )
    digests = (f"{source.getrandbits(256):064x}" for _ in range(500))
    text = "\n".join([*rows, *digests])
    assert scanner.find(text) is None
    assert scanner.find(text + list(secrets)[-1]) is not None
    few, more = (dict(islice(secrets.items(), count)) for count in (2_000, 40_000))
    part, small = text[: len(text) // 10], SecretScanner(few)
    assert growth(lambda: SecretScanner(few), lambda: SecretScanner(more)) < 60  # its square: 400
    assert growth(lambda: small.find(part), lambda: scanner.find(part)) < 5  # a search for each: 50
