"""Signatures with a key of the user's own: a DSSE envelope over the Statement, and one that `model_signing` reads.

An envelope signs the payload's type and bytes (https://github.com/secure-systems-lab/dsse). Keys are Ed25519 or ECDSA
P-256 in PEM. The package `cryptography` comes with `expunge[sign]`.
"""

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from editor.attestation.statement import STATEMENT_TYPE, canonical
from policies.errors import RequestError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

    PrivateKey = Ed25519PrivateKey | EllipticCurvePrivateKey
    PublicKey = Ed25519PublicKey | EllipticCurvePublicKey

ENVELOPE = "statement.dsse.json"
MODEL_SIGNATURE = "model.sig"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
BUNDLE_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
MODEL_PREDICATE = "https://model_signing/signature/v1.0"
KINDS = "an Ed25519 or ECDSA P-256 key in PEM"


def encoded(payload: bytes) -> bytes:
    """Return what is signed of a payload: DSSE's pre-authentication encoding."""
    return b"DSSEv1 %d %s %d %s" % (len(PAYLOAD_TYPE), PAYLOAD_TYPE.encode(), len(payload), payload)


@dataclass(frozen=True)
class Signer:
    """Private key that signs.

    Attributes:
        key: The key.
    """

    key: "PrivateKey" = field(repr=False)

    @classmethod
    def load(cls, path: Path) -> "Signer":
        """Read a private key.

        Raises:
            RequestError: the file holds no key that can sign here, or `cryptography` is not installed.
        """
        serialization = _serialization()
        try:
            key = serialization.load_pem_private_key(_read(path), None)
        except TypeError:
            raise RequestError(
                f"The key {path} is protected by a passphrase",
                "Write an unprotected copy with `openssl pkey`",
            ) from None
        except ValueError:
            raise _no_key(path, "private") from None
        if not _is_usable(key.public_key()):
            raise _no_key(path, "private")
        return cls(key)

    def envelope(self, payload: str) -> str:
        """Return a DSSE envelope over a text."""
        return canonical(self._envelope(payload.encode(), key_id(self.key.public_key())))

    def model_signature(self, files: Mapping[str, str]) -> str | None:
        """Return what `model_signing verify key` takes for a checkpoint's signature; None for a key it does not take.

        Args:
            files: sha256 digests of the checkpoint's files by their names in it.
        """
        from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

        public = self.key.public_key()
        if not isinstance(public, EllipticCurvePublicKey):
            return None
        bundle = {
            "mediaType": BUNDLE_TYPE,
            "verificationMaterial": {
                "publicKey": {"hint": hashlib.sha256(_pem(public)).hexdigest()},
                "tlogEntries": [],
            },
            "dsseEnvelope": self._envelope(canonical(model_statement(files)).encode(), ""),
        }
        return canonical(bundle)

    def _envelope(self, payload: bytes, name: str) -> dict[str, Any]:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        message = encoded(payload)
        signed = (
            self.key.sign(message)
            if isinstance(self.key, Ed25519PrivateKey)
            else self.key.sign(message, _ecdsa())
        )
        return {
            "payload": base64.b64encode(payload).decode(),
            "payloadType": PAYLOAD_TYPE,
            "signatures": [{"keyid": name, "sig": base64.b64encode(signed).decode()}],
        }


@dataclass(frozen=True)
class Verifier:
    """Public key that signatures are checked with.

    Attributes:
        key: The key.
    """

    key: "PublicKey" = field(repr=False)

    @classmethod
    def load(cls, path: Path) -> "Verifier":
        """Read a public key.

        Raises:
            RequestError: the file holds no public key that is used here, or `cryptography` is not installed.
        """
        serialization = _serialization()
        try:
            key = serialization.load_pem_public_key(_read(path))
        except ValueError:
            raise _no_key(path, "public") from None
        if not _is_usable(key):
            raise _no_key(path, "public")
        return cls(key)

    def signs(self, envelope: Mapping[str, Any]) -> bool:
        """Return whether one of an envelope's signatures is the key's, over the payload that the envelope holds."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        message = encoded(payload_of(envelope))
        for row in envelope["signatures"]:
            signature = base64.b64decode(row["sig"], validate=True)
            try:
                if isinstance(self.key, Ed25519PublicKey):
                    self.key.verify(signature, message)
                else:
                    self.key.verify(signature, message, _ecdsa())
            except InvalidSignature:
                continue
            return True
        return False


def payload_of(envelope: Mapping[str, Any]) -> bytes:
    """Return what an envelope holds.

    Raises:
        ValueError: it is no envelope of an in-toto Statement.
    """
    if envelope["payloadType"] != PAYLOAD_TYPE:
        raise ValueError("another payload type")
    return base64.b64decode(envelope["payload"], validate=True)


def key_id(key: "PublicKey") -> str:
    """Return the sha256 of a public key's DER, in hexadecimal: a hint which key it was."""
    serialization = _serialization()
    der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(der).hexdigest()


def model_statement(files: Mapping[str, str]) -> dict[str, Any]:
    """Return what OpenSSF Model Signing 1.0 signs of a checkpoint: its files, and one digest over theirs."""
    digests = [bytes.fromhex(digest) for _, digest in sorted(files.items())]
    return {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": "model", "digest": {"sha256": hashlib.sha256(b"".join(digests)).hexdigest()}}],
        "predicateType": MODEL_PREDICATE,
        "predicate": {
            "serialization": {"method": "files", "hash_type": "sha256", "allow_symlinks": False},
            "resources": [
                {"name": name, "algorithm": "sha256", "digest": digest}
                for name, digest in sorted(files.items())
            ],
        },
    }


def read_envelope(text: str) -> dict[str, Any]:
    """Read an envelope in the form in which it is written, which leaves no byte free.

    Raises:
        ValueError: it is none, or written in another form.
    """
    envelope: dict[str, Any] = json.loads(text)
    if canonical(envelope) != text or set(envelope) != {"payload", "payloadType", "signatures"}:
        raise ValueError("another form")
    for encoding in (envelope["payload"], *(row["sig"] for row in envelope["signatures"])):
        if base64.b64encode(base64.b64decode(encoding, validate=True)).decode() != encoding:
            raise ValueError("another form of base64")
    return envelope


def _pem(key: "PublicKey") -> bytes:
    serialization = _serialization()
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def _ecdsa() -> Any:
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
    from cryptography.hazmat.primitives.hashes import SHA256

    return ECDSA(SHA256())


def _is_usable(key: object) -> bool:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    curve = key.curve.name if isinstance(key, EllipticCurvePublicKey) else None
    return isinstance(key, Ed25519PublicKey) or curve == "secp256r1"


def _serialization() -> Any:
    try:
        from cryptography.hazmat.primitives import serialization
    except ImportError:
        raise RequestError(
            "Signatures need the package cryptography", "Install it with `pip install 'expunge[sign]'`"
        ) from None
    return serialization


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise RequestError(f"The key {path} cannot be read ({error.strerror})", f"Give {KINDS}") from None


def _no_key(path: Path, kind: str) -> RequestError:
    return RequestError(f"{path} holds no {kind} key that is used here", f"Give {KINDS}")
