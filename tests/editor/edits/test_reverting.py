"""Edits are taken back bit for bit: from what was kept, from the base model, and out of a stack in any order."""

import json
import shutil
from itertools import permutations

import pytest
import torch
from adapters_made import lora, save_adapter_of
from peft import PeftModel
from safetensors import safe_open
from transformers import AutoModelForCausalLM

from editor.edits import sealed
from editor.edits.edit import Delta, Edit, MaskedDelta
from editor.edits.export import export_checkpoint, save_adapter
from editor.edits.keeping import Keeping
from editor.edits.records import EDITS_FILE, EditRecord, read_previous, read_record
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


def stack(base, folder, *edits, record=True):
    """Erase one after another, each out of the checkpoint before; return the output folders."""
    outs = []
    for number, make in enumerate(edits):
        source = outs[-1] / "model" if outs else base
        outs.append(erase(source, folder / f"e{number}", make, previous=outs if record else ()))
    return outs


DISJOINT = {
    "tensors": [lambda m, n=n: low_rank(m, NAMES[n], seed=n) for n in range(3)],
    "entries": [lambda m, n=n: masked(m, 2 * n, 2 * n + 1) for n in range(3)],
    "both": [
        lambda m: masked(m, 0, 1),
        lambda m: low_rank(m, NAMES[1], NAMES[2]),
        lambda m: masked(m, 5),
    ],
}


@pytest.mark.parametrize("kind", DISJOINT)
@pytest.mark.parametrize("order", list(permutations(range(3))), ids=lambda o: "".join(map(str, o)))
def test_disjoint_edits_are_taken_back_in_any_order_bit_for_bit(base, tmp_path, kind, order):
    outs = stack(base, tmp_path, *DISJOINT[kind])
    source, alone = outs[-1], None
    for step, number in enumerate(order):
        target = tmp_path / f"back{step}"
        done = revert_checkpoint(outs[number], target, out_of=source)
        assert done.edits == 2 - step
        assert json.loads((target / EDITS_FILE).read_text())["edits"] if step < 2 else True
        source, alone = target, order[2] if step == 1 else alone
        if step == 1:  # what is left is the last edit alone, as if it had been made first
            own = stack(base, tmp_path / "alone", DISJOINT[kind][alone])[0]
            assert weights(target) == weights(own / "model")
    assert weights(source) == weights(base)
    assert not (source / EDITS_FILE).exists()
    with pytest.raises(EditError, match="does not have the edit"):
        revert_checkpoint(outs[0], tmp_path / "again", out_of=source)


@pytest.mark.parametrize("record", [True, False], ids=["on record", "not on record"])
@pytest.mark.parametrize(
    "second",
    [lambda m: low_rank(m, NAMES[1], NAMES[0], seed=5), lambda m: masked(m, 1, 7)],
    ids=["same tensor", "same entries"],
)
def test_an_overlap_is_a_conflict_by_name(base, tmp_path, second, record):
    first, between, last = stack(
        base, tmp_path, lambda m: masked(m, 0, 1), lambda m: low_rank(m, NAMES[2]), second, record=record
    )
    with pytest.raises(EditError, match="changed the same entries") as refused:
        revert_checkpoint(first, tmp_path / "back", out_of=last)
    assert NAMES[0] in refused.value.cause
    assert "case e2" in refused.value.cause
    assert "case e1" not in refused.value.cause
    assert "Revert the later one first" in refused.value.remedy
    assert not (tmp_path / "back").exists()
    revert_checkpoint(last, tmp_path / "later", out_of=last)
    assert weights(tmp_path / "later") == weights(between / "model")
    revert_checkpoint(first, tmp_path / "both", out_of=tmp_path / "later")
    assert revert_checkpoint(between, tmp_path / "all", out_of=tmp_path / "both").is_original == record
    assert weights(tmp_path / "all") == weights(base)


def test_an_edit_is_taken_out_of_a_stack_with_its_key_or_by_the_base_model(base, tmp_path):
    first = erase(base, tmp_path / "a", lambda m: masked(m, 0), keeping=Keeping(lock=KEY))
    second = erase(first / "model", tmp_path / "b", lambda m: masked(m, 1), previous=[first])
    with pytest.raises(EditError, match="is encrypted"):
        revert_checkpoint(first, tmp_path / "back", out_of=second)
    for number, more in enumerate(({"lock": KEY}, {"base": str(base)})):
        revert_checkpoint(first, tmp_path / f"back{number}", out_of=second, **more)
    assert weights(tmp_path / "back0") == weights(tmp_path / "back1")
    assert revert_checkpoint(second, tmp_path / "all", out_of=tmp_path / "back0").is_original


def test_checkpoints_that_were_changed_or_are_others_are_refused(base, checkpoint, tmp_path):
    first, second = stack(base, tmp_path, lambda m: masked(m, 0), lambda m: masked(m, 1))
    with pytest.raises(EditError, match="no checkpoint that the edit"):
        revert_checkpoint(first, tmp_path / "back", out_of=checkpoint("gpt2"))
    path = second / "model" / "model.safetensors"
    good = path.read_bytes()
    path.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    with pytest.raises(EditError, match="not as it was written"):
        revert_checkpoint(first, tmp_path / "back", out_of=second)
    path.write_bytes(good)
    path = first / "model" / "model.safetensors"
    path.write_bytes((base / "model.safetensors").read_bytes())
    with pytest.raises(EditError, match="does not give the original's digest"):
        revert_checkpoint(first, tmp_path / "back", out_of=second)


def test_previous_edits_are_those_that_the_model_has(base, checkpoint, tmp_path):
    outs = stack(
        base, tmp_path, lambda m: masked(m, 0), lambda m: low_rank(m, NAMES[0]), lambda m: masked(m, 1)
    )

    def previous(folders, source):
        files = load_model(str(source), device="cpu").files
        return [record.case for record in read_previous(folders, files)]

    assert previous(outs[:1], outs[0] / "model") == ["case e0"]
    assert previous(outs[:2], outs[1] / "model") == ["case e0", "case e1"]
    assert previous(outs, outs[2] / "model") == ["case e0", "case e1", "case e2"]
    assert previous([outs[2]], outs[2] / "model") == ["case e0", "case e1", "case e2"]
    for folders, source in (
        ([outs[1]], base),
        ([outs[2]], outs[1] / "model"),
        ([outs[0]], checkpoint("gpt2")),
    ):
        with pytest.raises(EditError, match="does not have the edit"):
            previous(folders, source)
    with pytest.raises(EditError, match="cannot be read"):
        previous([tmp_path], base)


def test_damaged_records_are_errors_with_a_remedy(base, tmp_path):
    out = erase(base, tmp_path / "out", lambda m: masked(m, 0))
    path = out / "edit" / "edit.json"
    head = json.loads(path.read_text())
    for change in (
        {"tensors": [1]},
        {"tensors": {"w": "ab"}},
        {"previous": 1},
        {"originals": "x"},
        {"case": None},
    ):
        path.write_text(json.dumps({**head, **change}))
        if change == {"case": None}:
            read_record(out / "edit")
            continue
        with pytest.raises(EditError, match="cannot be read"):
            revert_checkpoint(out, tmp_path / "back")
    path.write_text(json.dumps({name: value for name, value in head.items() if name != "before"}))
    revert_checkpoint(out, tmp_path / "older")
    assert weights(tmp_path / "older") == weights(base)
    with pytest.raises(EditError, match="before edits were given digests"):
        revert_checkpoint(out, tmp_path / "back", base=str(base))


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_adapter_merged_and_exported_checkpoints_agree(checkpoint, tmp_path, family):
    """In float32, within 1e-5 of the largest logit."""
    source = load_model(str(checkpoint(family)), device="cpu")
    names = [n for n, p in source.model.named_parameters() if p.dim() == 2 and "mlp" in n][:2]
    torch.manual_seed(0)
    edit = low_rank(source.model, *names).scaled(0.02)
    export_checkpoint(source, edit, tmp_path / "model")
    assert save_adapter(edit, source, tmp_path / "adapter")
    adapted = PeftModel.from_pretrained(
        AutoModelForCausalLM.from_pretrained(checkpoint(family), dtype=torch.float32), tmp_path / "adapter"
    ).eval()
    inputs = {"input_ids": torch.tensor([[0, 5, 6, 7, 9, 11]])}
    with torch.no_grad():
        logits = {
            "exported": AutoModelForCausalLM.from_pretrained(tmp_path / "model").eval()(**inputs).logits,
            "adapter": adapted(**inputs).logits,
            "loaded": load_model(str(tmp_path / "adapter"), device="cpu").model(**inputs).logits,
            "merged": adapted.merge_and_unload()(**inputs).logits,
        }
        original = source.model(**inputs).logits
    scale = float(logits["exported"].abs().max())
    assert float((logits["exported"] - original).abs().max()) > 1e-2 * scale
    for name, mine in logits.items():
        assert float((mine - logits["exported"]).abs().max()) <= 1e-5 * scale, name
