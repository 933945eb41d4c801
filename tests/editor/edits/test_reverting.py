"""Edits are taken back bit for bit: from what was kept, from the base model, and out of a stack in any order."""

import shutil

import pytest
import torch
from adapters_made import lora, save_adapter_of
from safetensors import safe_open

from editor.edits import sealed
from editor.edits.edit import Delta, Edit, MaskedDelta
from editor.edits.export import export_checkpoint
from editor.edits.keeping import Keeping
from editor.edits.records import EditRecord, read_previous
from editor.edits.reverting import revert_checkpoint
from editor.edits.sealed import Lock
from editor.model.loading import load_model
from policies.errors import EditError

KEY = Lock(secret=bytes(range(32)), kind="key")
NAMES = [f"model.layers.{layer}.mlp.{part}_proj.weight" for layer in (0, 1) for part in ("down", "up")]


@pytest.fixture(autouse=True)
def _cheap(monkeypatch):
    monkeypatch.setattr(sealed, "SCRYPT", {"n": 1 << 4, "r": 8, "p": 1})


def low_rank(model, *names, seed=0):
    torch.manual_seed(seed)
    shapes = {name: model.get_parameter(name).shape for name in names}
    deltas = {
        name: Delta(left=torch.randn(rows, 2), right=torch.randn(2, columns))
        for name, (rows, columns) in shapes.items()
    }
    return Edit(deltas=deltas, method="test")


def masked(model, *rows, name=NAMES[0]):
    """An edit of some rows of one tensor."""
    mask = torch.zeros(model.get_parameter(name).shape, dtype=torch.bool)
    mask[list(rows)] = True
    torch.manual_seed(rows[0])
    return Edit(deltas={name: MaskedDelta.from_dense(torch.randn(mask.shape), mask)}, method="test")


def erase(source, out, make, *, keeping=None, previous=(), subjects=("subject 00000001",)):
    """Write what `erase` does of an edit that `make` makes of the loaded model."""
    loaded = load_model(str(source), device="cpu")
    keeping = keeping or Keeping()
    edit = make(loaded.model)
    originals = export_checkpoint(loaded, edit, out / "model")
    record = EditRecord(
        case=f"case {out.name}",
        subjects=subjects,
        before=originals.digest,
        after=originals.edited,
        tensors=originals.changed,
        originals=keeping.kept,
    )
    earlier = read_previous(previous, loaded.files)
    edit.save(out / "edit", originals, keeping=keeping, record=record, previous=earlier)
    return out


def weights(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.safetensors*"))}


@pytest.fixture(params=[torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
def base(checkpoint, request):
    return checkpoint("llama", request.param)


@pytest.mark.parametrize("lock", [KEY, Lock(secret=b"a passphrase", kind="passphrase")], ids=lambda k: k.kind)
def test_sealed_originals_come_back_with_their_key_and_nothing_lies_in_the_clear(base, tmp_path, lock):
    out = erase(base, tmp_path / "out", lambda m: low_rank(m, *NAMES), keeping=Keeping(lock=lock))
    assert {path.name for path in (out / "edit").iterdir()} == {
        "edit.json",
        "deltas.safetensors.enc",
        "originals.safetensors.enc",
    }
    original = load_model(str(base), device="cpu")
    everything = b"".join(path.read_bytes() for path in (out / "edit").iterdir())
    for name in NAMES:
        stored = original.model.get_parameter(name).to(original.stored_dtype)
        assert stored.contiguous().view(torch.uint8).numpy().tobytes()[:64] not in everything
    done = revert_checkpoint(out, tmp_path / "back", lock=lock)
    assert done.is_original
    assert weights(tmp_path / "back") == weights(base)
    assert set(Edit.load(out / "edit", lock).deltas) == set(NAMES)
    with pytest.raises(EditError, match="is encrypted"):
        Edit.load(out / "edit")


def test_a_revert_without_the_key_with_another_or_of_a_damaged_file_is_refused(base, tmp_path):
    out = erase(base, tmp_path / "out", lambda m: low_rank(m, NAMES[0]), keeping=Keeping(lock=KEY))
    with pytest.raises(EditError, match="is encrypted"):
        revert_checkpoint(out, tmp_path / "back")
    with pytest.raises(EditError, match="does not open"):
        revert_checkpoint(out, tmp_path / "back", lock=Lock(secret=bytes(32), kind="key"))
    path = out / "edit" / "originals.safetensors.enc"
    good = path.read_bytes()
    for bad in (good[:-1], good[: len(good) // 2], b"", good[:-40] + bytes([good[-40] ^ 4]) + good[-39:]):
        path.write_bytes(bad)
        with pytest.raises(EditError, match="missing or damaged"):
            revert_checkpoint(out, tmp_path / "back", lock=KEY)
    shutil.copyfile(out / "edit" / "deltas.safetensors.enc", path)
    with pytest.raises(EditError, match="missing or damaged"):
        revert_checkpoint(out, tmp_path / "back", lock=KEY)
    path.unlink()
    with pytest.raises(EditError, match="missing or damaged"):
        revert_checkpoint(out, tmp_path / "back", lock=KEY)
    assert not (tmp_path / "back").exists()


@pytest.mark.parametrize(
    "keeping", [Keeping(), Keeping(lock=KEY), Keeping(wanted=False)], ids=lambda k: k.kept
)
def test_originals_come_from_the_base_model(base, checkpoint, tmp_path, keeping):
    out = erase(base, tmp_path / "out", lambda m: low_rank(m, *NAMES[:2]), keeping=keeping)
    if not keeping.wanted:
        assert [path.name for path in (out / "edit").iterdir()] == ["edit.json"]
        with pytest.raises(EditError, match="were not kept"):
            revert_checkpoint(out, tmp_path / "back")
    for other in (checkpoint("gpt2"), out / "model"):
        with pytest.raises(EditError, match="is not the model"):
            revert_checkpoint(out, tmp_path / "back", base=str(other))
    assert not (tmp_path / "back").exists()
    assert revert_checkpoint(out, tmp_path / "back", base=str(base)).is_original
    assert weights(tmp_path / "back") == weights(base)


@pytest.mark.parametrize("kind", ["adapter", "pickled"])
def test_originals_come_from_a_base_that_was_saved_first(checkpoint, tmp_path, kind):
    source = tmp_path / "source"
    if kind == "adapter":
        save_adapter_of(checkpoint("llama"), lora(target_modules=["up_proj", "q_proj"]), source)
    else:
        shutil.copytree(checkpoint("llama"), source)
        with safe_open(source / "model.safetensors", "pt") as file:
            torch.save({name: file.get_tensor(name) for name in file.keys()}, source / "pytorch_model.bin")  # noqa: SIM118
        (source / "model.safetensors").unlink()
    out = erase(source, tmp_path / "out", lambda m: low_rank(m, *NAMES), keeping=Keeping(wanted=False))
    assert revert_checkpoint(out, tmp_path / "back", base=str(source)).is_original
    again, original = (load_model(str(one), device="cpu").model for one in (tmp_path / "back", source))
    held = original.state_dict()
    assert all(torch.equal(tensor, held[name]) for name, tensor in again.state_dict().items())
