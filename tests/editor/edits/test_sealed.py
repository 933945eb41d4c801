"""A sealed file opens with its own key alone, and no byte of it can be changed unseen."""

import builtins
import os

import pytest
import torch

from editor.edits import sealed
from editor.edits.keeping import DTYPES, Keeping, read_tensors
from editor.edits.sealed import PASSPHRASE_VARIABLE, Lock, SealedReader, SealedWriter
from policies.errors import EditError

KEY = Lock(secret=bytes(range(32)), kind="key")


@pytest.fixture(autouse=True)
def _cheap(monkeypatch):
    monkeypatch.setattr(sealed, "SCRYPT", {"n": 1 << 4, "r": 8, "p": 1})
    monkeypatch.setattr(sealed, "CHUNK_BYTES", 64)
    monkeypatch.delenv(PASSPHRASE_VARIABLE, raising=False)


def seal(path, data, lock=KEY, content="data"):
    with SealedWriter(path, lock, content) as stream:
        stream.write(data)
    return path


def opened(path, size, lock=KEY, content="data"):
    with SealedReader(path, lock, content) as stream:
        data = bytes(stream.read(size))
        stream.finish()
        return data


@pytest.mark.parametrize("size", [0, 1, 63, 64, 65, 128, 1000])
def test_what_is_sealed_is_opened(tmp_path, size):
    data = os.urandom(size)
    path = seal(tmp_path / "f", data)
    assert opened(path, size) == data
    assert size < 8 or data not in path.read_bytes()


def test_the_same_data_is_never_sealed_alike(tmp_path):
    first, second = (seal(tmp_path / name, b"x" * 200).read_bytes() for name in "ab")
    assert first[-200:] != second[-200:]


def test_every_changed_byte_is_found(tmp_path):
    path = seal(tmp_path / "f", b"secret" * 30)
    good = path.read_bytes()
    for place in range(len(good)):
        path.write_bytes(good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :])
        with pytest.raises(EditError):
            opened(path, 180)


def test_chunks_that_are_missing_repeated_or_out_of_place_are_found(tmp_path):
    path = seal(tmp_path / "f", b"a" * 64 * 3)
    good, size = path.read_bytes(), 64 + sealed.TAG_BYTES
    head, chunks = good[: -3 * size], [good[-3 * size :][place * size :][:size] for place in range(3)]
    for order in ([], [0], [0, 1], [1, 2], [0, 2], [1, 0, 2], [0, 1, 2, 2], [0, 1, 2, 0], [0, 0, 1, 2]):
        path.write_bytes(head + b"".join(chunks[place] for place in order))
        for wanted in (64 * len(order), 64 * 3):
            with pytest.raises(EditError, match="missing or damaged"):
                opened(path, wanted)
    path.write_bytes(good + b"x")
    with pytest.raises(EditError, match="missing or damaged"):
        opened(path, 192)


def test_a_file_is_no_other_and_opens_with_no_other_key(tmp_path):
    path = seal(tmp_path / "f", b"abc")
    with pytest.raises(EditError, match="The key does not open"):
        opened(path, 3, Lock(secret=bytes(32), kind="key"))
    with pytest.raises(EditError, match="encrypted with a key"):
        opened(path, 3, Lock(secret=b"a passphrase", kind="passphrase"))
    with pytest.raises(EditError, match="missing or damaged"):
        opened(path, 3, content="deltas")
    word = Lock(secret=b"a passphrase", kind="passphrase")
    other = seal(tmp_path / "g", b"abc", word)
    assert opened(other, 3, word) == b"abc"
    with pytest.raises(EditError, match="The passphrase does not open"):
        opened(other, 3, Lock(secret=b"a passphrasf", kind="passphrase"))


def test_a_cost_beyond_reason_is_damage_and_is_not_paid(tmp_path, monkeypatch):
    monkeypatch.setattr(sealed, "SCRYPT", {"n": 1 << 4, "r": 8, "p": 1})
    word = Lock(secret=b"a passphrase", kind="passphrase")
    path = seal(tmp_path / "f", b"abc", word)
    path.write_bytes(path.read_bytes().replace(b'"n": 16', b'"n": 9999999999'))
    with pytest.raises(EditError, match="missing or damaged"):
        opened(path, 3, word)


@pytest.mark.parametrize("name", DTYPES)
def test_tensors_of_every_dtype_come_back_bit_for_bit(tmp_path, name):
    torch.manual_seed(0)
    flat = torch.randint(0, 2 if name == "BOOL" else 256, (6 * DTYPES[name].itemsize,), dtype=torch.uint8)
    tensors = {"w": flat.view(DTYPES[name]).view(2, 3), "none": torch.zeros(0, 4), "one": torch.tensor(1.5)}
    path = tmp_path / "t.safetensors"
    Keeping(lock=KEY).write(path, tensors, {"digest": "0a"})
    assert [one.name for one in tmp_path.iterdir()] == ["t.safetensors.enc"]
    again, metadata = read_tensors(path, KEY)
    assert metadata == {"digest": "0a"}
    for one, tensor in tensors.items():
        assert (again[one].dtype, again[one].shape) == (tensor.dtype, tensor.shape)
        assert torch.equal(
            again[one].reshape(-1).view(torch.uint8), tensor.contiguous().reshape(-1).view(torch.uint8)
        )


def test_what_a_lock_is_read_from(tmp_path, monkeypatch):
    key, word = tmp_path / "key", tmp_path / "word"
    key.write_text(bytes(range(32)).hex() + "\n")
    word.write_text("correct horse\n")
    for path in (key, word):
        with pytest.raises(EditError, match="Others may read"):
            Lock.given(*((path, None) if path is key else (None, path)))
        path.chmod(0o600)
    assert Lock.given(None, None) is None
    assert Lock.given(key, None) == KEY
    assert Lock.given(None, word) == Lock(secret=b"correct horse", kind="passphrase")
    monkeypatch.setenv(PASSPHRASE_VARIABLE, "battery staple")
    assert Lock.given(None, None).secret == b"battery staple"
    assert Lock.given(key, None) == KEY
    assert "battery" not in repr(Lock.given(None, None))
    for path, text, cause in ((key, "00", "not a readable key"), (word, "short", "fewer than 8")):
        path.write_text(text)
        with pytest.raises(EditError, match=cause):
            Lock.given(*((path, None) if path is key else (None, path)))
    with pytest.raises(EditError, match="cannot be read"):
        Lock.given(None, tmp_path / "nowhere")


def test_without_the_package_what_to_install_is_said(tmp_path, monkeypatch):
    key = tmp_path / "key"
    key.write_text(bytes(range(32)).hex())
    key.chmod(0o600)
    plain = builtins.__import__

    def missing(name, *args, **kwargs):
        if name.startswith("cryptography"):
            raise ImportError(name)
        return plain(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(EditError, match=r"expunge\[encrypt\]"):
        Lock.given(key, None)
