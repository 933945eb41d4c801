"""Signatures: DSSE over the Statement, and what OpenSSF Model Signing takes for the checkpoint's."""

import base64
import hashlib
import json
import shutil
import sys
from types import SimpleNamespace

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.hashes import SHA256
from forging import attest_anew, rewrite_report

import expunge
from editor.attestation.signing import Signer, Verifier, encoded, model_statement
from editor.cli import main
from policies.errors import ExitCode, RequestError

PLAIN = serialization.NoEncryption()
KINDS = {
    "ed25519": ed25519.Ed25519PrivateKey.generate,
    "p256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "p384": lambda: ec.generate_private_key(ec.SECP384R1()),
}


def write_pair(folder, kind, protection=PLAIN):
    """A pair of keys as `openssl` writes it."""
    key, name = KINDS[kind](), kind
    private, public = folder / f"{name}.pem", folder / f"{name}.pub"
    pkcs8, spki = serialization.PrivateFormat.PKCS8, serialization.PublicFormat.SubjectPublicKeyInfo
    private.write_bytes(key.private_bytes(serialization.Encoding.PEM, pkcs8, protection))
    public.write_bytes(key.public_key().public_bytes(serialization.Encoding.PEM, spki))
    return SimpleNamespace(private=private, public=public, key=key)


@pytest.fixture(scope="module", params=["ed25519", "p256"])
def signed(request, tmp_path_factory, erase):
    """The folder of a signed erasure with its pair of keys. Tests must leave it as it was."""
    folder = tmp_path_factory.mktemp(f"signed-{request.param}")
    pair = write_pair(folder, request.param)
    erase(folder / "out", sign_key=pair.private, attacks="none")
    return SimpleNamespace(folder=folder / "out", pair=pair, kind=request.param)


@pytest.fixture
def opened(signed, tmp_path):
    """A copy, to change."""
    copy = shutil.copytree(signed.folder, tmp_path / "out")
    return SimpleNamespace(folder=copy, pair=signed.pair, kind=signed.kind)


def test_what_is_signed_is_what_the_specification_says():
    assert encoded(b"hello") == b"DSSEv1 28 application/vnd.in-toto+json 5 hello"


def test_the_envelope_holds_the_statement_and_a_plain_verification_accepts_it(signed):
    envelope = json.loads((signed.folder / "statement.dsse.json").read_text())
    payload = base64.b64decode(envelope["payload"])
    assert payload == (signed.folder / "statement.json").read_bytes()
    assert envelope["payloadType"] == "application/vnd.in-toto+json"
    signature = base64.b64decode(envelope["signatures"][0]["sig"])
    message = b"DSSEv1 28 application/vnd.in-toto+json %d " % len(payload) + payload
    more = () if signed.kind == "ed25519" else (ec.ECDSA(SHA256()),)
    signed.pair.key.public_key().verify(signature, message, *more)  # raises where it is none


def test_the_signature_agrees_with_its_key_and_is_said_to_be_unchecked_without(signed):
    assert expunge.verify_report(signed.folder, key=signed.pair.public).exit_code == ExitCode.MET
    checked = expunge.verify_report(signed.folder)
    assert (checked.exit_code, checked.disagreements) == (ExitCode.INCOMPLETE, ())


def test_another_key_and_no_signature_are_found(signed, erased, tmp_path):
    other = write_pair(tmp_path, signed.kind)
    checked = expunge.verify_report(signed.folder, key=other.public)
    assert "statement.dsse.json was not signed with this key" in checked.disagreements
    checked = expunge.verify_report(erased, key=other.public)
    assert checked.disagreements == ("statement.dsse.json is missing: the folder is not signed",)


def test_whoever_rewrites_everything_alike_is_found(opened):
    def change(data):
        data["retained_divergence"] = 0.0

    rewrite_report(opened.folder, change)
    checked = expunge.verify_report(opened.folder, key=opened.pair.public)
    assert checked.disagreements == ("statement.dsse.json signs another Statement than statement.json",)


def test_a_changed_byte_of_the_envelope_is_found(opened):
    path = opened.folder / "statement.dsse.json"
    data = path.read_bytes()
    for place in range(0, len(data), max(1, len(data) // 15)):
        path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        assert expunge.verify_report(opened.folder, key=opened.pair.public).exit_code == ExitCode.USAGE, place


def test_the_model_s_signature_is_a_bundle_of_openssf_model_signing(signed):
    path = signed.folder / "model.sig"
    assert path.exists() == (signed.kind == "p256")
    if signed.kind != "p256":
        return
    bundle = json.loads(path.read_text())
    assert bundle["mediaType"] == "application/vnd.dev.sigstore.bundle.v0.3+json"
    hint = hashlib.sha256(signed.pair.public.read_bytes()).hexdigest()
    assert bundle["verificationMaterial"] == {"publicKey": {"hint": hint}, "tlogEntries": []}
    statement = json.loads(base64.b64decode(bundle["dsseEnvelope"]["payload"]))
    files = {row["name"]: row["digest"] for row in statement["predicate"]["resources"]}
    found = {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in (signed.folder / "model").iterdir()}
    assert files == found
    whole = hashlib.sha256(b"".join(bytes.fromhex(found[name]) for name in sorted(found))).hexdigest()
    assert statement["subject"] == [{"name": "model", "digest": {"sha256": whole}}]


def test_another_signature_of_the_model_is_found(opened):
    if opened.kind != "p256":
        pytest.skip("no signature of the model with such a key")
    forged = Signer.load(opened.pair.private).model_signature({"model.safetensors": "0" * 64})
    (opened.folder / "model.sig").write_text(forged)
    attest_anew(opened.folder)
    statement = (opened.folder / "statement.json").read_text()
    envelope = Signer.load(opened.pair.private).envelope(statement)
    (opened.folder / "statement.dsse.json").write_text(envelope)
    checked = expunge.verify_report(opened.folder, key=opened.pair.public)
    assert checked.disagreements == ("model.sig is no signature of the checkpoint's files with this key",)


def test_files_of_a_model_are_signed_in_the_order_of_their_names():
    files = {"b": "1" * 64, "a": "2" * 64}
    assert [row["name"] for row in model_statement(files)["predicate"]["resources"]] == ["a", "b"]


def test_bad_keys_are_refused_before_the_work(tmp_path, case):
    pair = write_pair(tmp_path, "p256")
    text = tmp_path / "text.pem"
    text.write_text("no key")
    locked = tmp_path / "locked"
    locked.mkdir()
    protected = write_pair(locked, "ed25519", serialization.BestAvailableEncryption(b"word"))
    private = {
        "cannot be read": tmp_path / "nowhere.pem",
        "holds no private key": text,
        "protected by a passphrase": protected.private,
        "text.pem holds no": text,
    }
    for cause, path in private.items():
        with pytest.raises(RequestError, match=cause):
            Signer.load(path)
    for path in (write_pair(tmp_path, "p384").private, pair.public):
        with pytest.raises(RequestError, match="holds no private key that is used here"):
            Signer.load(path)
    for path in (text, pair.private):
        with pytest.raises(RequestError, match="holds no public key"):
            Verifier.load(path)
    inside = tmp_path / "out" / "key.pem"
    with pytest.raises(RequestError, match="lies in the output folder"):
        expunge.audit(case.model, output=tmp_path / "out", sign_key=inside, **case.given)
    with pytest.raises(RequestError, match="nothing to sign"):
        expunge.audit(case.model, sign_key=pair.private, **case.given)


def test_without_the_package_it_is_said_what_to_install(tmp_path, monkeypatch):
    pair = write_pair(tmp_path, "p256")
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives", None)
    with pytest.raises(RequestError, match=r"expunge\[sign\]"):
        Signer.load(pair.private)


def test_the_command_signs_and_checks(case, tmp_path, capsys):
    pair = write_pair(tmp_path, "ed25519")
    options = ["--facts", case.given["facts"], "--policy", case.given["policy"], "--device", "cpu", "--quiet"]
    light = ["--confirm", "0", "--open-texts", "0", "--candidates", "0", "--no-membership"]
    out = tmp_path / "out"
    signing = ["audit", case.model, *options, *light, "--output", out, "--sign-key", pair.private]
    for arguments, code in (
        (signing, 1),
        (["verify-report", out], 4),
        (["verify-report", out, "--key", pair.public], 0),
        (["verify-report", out, "--key", pair.private], 2),
    ):
        with pytest.raises(SystemExit) as stopped:
            main([str(argument) for argument in arguments])
        assert stopped.value.code == code, capsys.readouterr()
