"""Export changes the bytes of the edit's tensors and no others; revert gives back every byte of the files."""

import hashlib
import json
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from family_models import configs
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from tokenizing import make_tokenizer
from transformers import AutoModelForCausalLM

from dictionaries.model.sites import Site, resolve
from editor.edits.edit import Delta, Edit, load_originals
from editor.edits.export import export_checkpoint
from editor.edits.reverting import revert_checkpoint
from editor.model.adapters.merging import MergedAdapter
from editor.model.digests import tensor_digests
from editor.model.loading import load_model, quiet
from policies.errors import EditError

CONFIGS = configs(heads=2, groups=1)
EMBEDDING = "model.embed_tokens.weight"


def write(folder, family="llama", *, dtype=torch.float32, config_dtype=..., shards=1, **settings):
    """Write a checkpoint; `config_dtype` is what its configuration says, None for nothing."""
    config = deepcopy(CONFIGS[family])
    for name, value in settings.items():
        setattr(config, name, value)
    torch.manual_seed(7)
    model = AutoModelForCausalLM.from_config(config).to(dtype)
    size = sum(p.numel() * p.element_size() for p in model.parameters())
    with quiet():
        model.save_pretrained(folder, max_shard_size=size if shards == 1 else size // shards)
    make_tokenizer().save_pretrained(folder)
    if config_dtype is not ...:
        about = json.loads((folder / "config.json").read_text())
        about.pop("dtype", None)
        about |= {} if config_dtype is None else {"dtype": config_dtype}
        (folder / "config.json").write_text(json.dumps(about))
    return folder


def rewrite(folder, change, metadata=None):
    """Write the one weights file again after `change` has had its tensors."""
    path = folder / "model.safetensors"
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path, metadata or {"format": "pt"})
    return folder


def edit_of(model, *names):
    names = names or (resolve(model, Site(1)).projection_name,)
    deltas = {}
    for seed, name in enumerate(names):
        rows, columns = model.get_parameter(name).shape
        torch.manual_seed(seed)
        deltas[name] = Delta(left=torch.randn(rows, 2), right=torch.randn(2, columns))
    return Edit(deltas=deltas, method="test")


def weights(folder):
    return {path.name: path.read_bytes() for path in sorted(Path(folder).glob("*.safetensors*"))}


def tensors(folder):
    found = {}
    for path in sorted(Path(folder).glob("*.safetensors")):
        with safe_open(path, "pt") as file:
            found |= {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    return found


def same(first, second):
    return first.dtype == second.dtype and torch.equal(first.view(torch.uint8), second.view(torch.uint8))


def erase_and_revert(folder, out, *names):
    """Export an edit and take it back; return the model, the edit, the edited tensors and the reverted files."""
    loaded = load_model(str(folder), device="cpu")
    edit = edit_of(loaded.model, *names)
    originals = export_checkpoint(loaded, edit, out / "model")
    edit.save(out / "edit", originals)
    revert_checkpoint(out, out / "back")
    return loaded, edit, out / "model", out / "back"


def check(folder, out, *names, stored=None):
    """Check that the edit's tensors alone differ, in their own dtype, and that a revert gives all bytes back."""
    before = tensors(folder)
    loaded, edit, edited, back = erase_and_revert(folder, out, *names)
    after = tensors(edited)
    changed = set(stored or edit.deltas)
    assert list(after) == list(before)
    assert {name for name in before if not same(before[name], after[name])} == changed
    for name, delta in edit.deltas.items():
        for at in stored if stored else (name,):
            wide = torch.promote_types(before[at].dtype, torch.float32)
            assert same(after[at], (before[at].to(wide) + delta.dense().to(wide)).to(before[at].dtype))
    assert weights(back) == weights(folder)
    again = load_model(str(edited), device="cpu")
    digests = tensor_digests(loaded), tensor_digests(again)
    assert {name for name in digests[0] if digests[0][name] != digests[1][name]} == set(edit.deltas)
    return loaded, edited


@pytest.mark.parametrize("shards", [1, 3])
@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_the_edits_tensors_alone_change(tmp_path, family, dtype, tied, shards):
    folder = write(tmp_path / "in", family, dtype=dtype, shards=shards, tie_word_embeddings=tied)
    assert len(list(folder.glob("*.safetensors"))) >= min(shards, 2)
    check(folder, tmp_path / "out")


@pytest.mark.parametrize(
    ("dtype", "said"),
    [
        (torch.float32, "bfloat16"),
        (torch.bfloat16, "float32"),
        (torch.float16, "bfloat16"),
        (torch.float64, "float32"),
        (torch.bfloat16, None),
        (torch.float32, None),
    ],
)
def test_a_tensors_dtype_is_that_of_its_file_whatever_the_configuration_says(tmp_path, dtype, said):
    folder = write(tmp_path / "in", dtype=dtype, config_dtype=said)
    loaded, edited = check(folder, tmp_path / "out")
    assert (edited / "config.json").read_bytes() == (folder / "config.json").read_bytes()
    assert loaded.dtype_of("model.layers.0.mlp.up_proj.weight") == dtype


def test_mixed_dtypes_and_metadata_are_kept(tmp_path):
    def mix(found):
        for place, name in enumerate(sorted(found)):
            found[name] = found[name].to((torch.float32, torch.bfloat16, torch.float16)[place % 3])

    folder = rewrite(write(tmp_path / "in"), mix, {"format": "pt", "trained": "by us", "note": "x"})
    names = [f"model.layers.{layer}.mlp.{part}_proj.weight" for layer in (0, 1) for part in ("down", "up")]
    assert len({tensors(folder)[name].dtype for name in names}) > 1
    check(folder, tmp_path / "out", *names)


def test_a_tie_that_is_stored_twice_is_edited_twice(tmp_path):
    def store_twice(found):
        found["lm_head.weight"] = found[EMBEDDING].clone()

    folder = rewrite(write(tmp_path / "in", tie_word_embeddings=True), store_twice)
    check(folder, tmp_path / "out", EMBEDDING, stored=(EMBEDDING, "lm_head.weight"))


def test_a_tie_that_is_stored_once_stays_one(tmp_path):
    folder = write(tmp_path / "in", dtype=torch.bfloat16, tie_word_embeddings=True)
    _, edited = check(folder, tmp_path / "out", EMBEDDING)
    sizes = [(path / "model.safetensors").stat().st_size for path in (folder, edited)]
    assert sizes[0] == sizes[1]


def test_names_without_their_wrapper_are_kept(tmp_path):
    def unwrap(found):
        for name in list(found):
            found[name.removeprefix("transformer.")] = found.pop(name)

    folder = rewrite(write(tmp_path / "in", "gpt2"), unwrap)
    check(folder, tmp_path / "out", stored=("h.1.mlp.c_proj.weight",))


def test_unknown_tensors_are_copied(tmp_path):
    folder = rewrite(write(tmp_path / "in"), lambda found: found.update(extra=torch.arange(3)))
    check(folder, tmp_path / "out")


def test_pickled_weights_are_written_in_their_own_dtypes(tmp_path):
    folder = write(tmp_path / "in", config_dtype="bfloat16")
    found = tensors(folder)
    found["model.norm.weight"] = found["model.norm.weight"].half()
    (folder / "model.safetensors").unlink()
    torch.save(found, folder / "pytorch_model.bin")
    _, edit, edited, back = erase_and_revert(folder, tmp_path / "out")
    after, reverted = tensors(edited), tensors(back)
    assert {name for name in after if not same(after[name], found[name])} == set(edit.deltas)
    assert all(same(reverted[name], found[name]) for name in reverted)
    assert set(reverted) == set(found)


def test_a_merged_adapter_is_saved_first(tmp_path):
    folder = write(tmp_path / "in", config_dtype="bfloat16")
    merged = load_model(str(folder), device="cpu")
    with torch.no_grad():
        merged.model.get_parameter("model.layers.0.mlp.up_proj.weight").mul_(1.5)
    merged = replace(merged, adapter=MergedAdapter(base=str(folder), factors=None))
    edit = edit_of(merged.model)
    originals = export_checkpoint(merged, edit, tmp_path / "out" / "model")
    edit.save(tmp_path / "out" / "edit", originals)
    revert_checkpoint(tmp_path / "out", tmp_path / "out" / "back")
    reverted = tensors(tmp_path / "out" / "back")
    for name, tensor in merged.model.state_dict().items():
        assert same(reverted[name], tensor)


def test_weights_that_changed_since_they_were_read_are_saved_from_the_model(tmp_path):
    folder = write(tmp_path / "in")
    loaded = load_model(str(folder), device="cpu")
    edit = edit_of(loaded.model)
    (name,) = edit.deltas
    rewrite(folder, lambda found: found.update({name: found[name] * 2}))
    export_checkpoint(loaded, edit, tmp_path / "model")
    held = loaded.model.get_parameter(name)
    assert same(tensors(tmp_path / "model")[name], held + edit.deltas[name].dense())


def test_a_checkpoint_that_was_changed_afterwards_is_not_reverted(tmp_path):
    folder = write(tmp_path / "in")
    _, edit, edited, _ = erase_and_revert(folder, tmp_path / "out")
    path = edited / "model.safetensors"
    good = path.read_bytes()
    for change in (
        lambda found: found.update({"model.norm.weight": found["model.norm.weight"] + 1}),
        lambda found: found.pop(next(iter(edit.deltas))),
        lambda found: found.update({next(iter(edit.deltas)): torch.zeros(3)}),
    ):
        rewrite(edited, change)
        with pytest.raises(EditError, match="does not give the original's digest"):
            revert_checkpoint(tmp_path / "out", tmp_path / "again")
        path.write_bytes(good)
    revert_checkpoint(tmp_path / "out", tmp_path / "once more")


def test_the_digest_kept_is_that_of_the_files(tmp_path):
    folder = write(tmp_path / "in", dtype=torch.float32, config_dtype="bfloat16")
    erase_and_revert(folder, tmp_path / "out")
    total = hashlib.sha256()
    for name, tensor in sorted(tensors(folder).items()):
        head = f"{tuple(tensor.shape)} {tensor.dtype}".encode()
        digest = hashlib.sha256(head + tensor.flatten().view(torch.uint8).numpy().tobytes()).hexdigest()
        total.update(f"{name} {digest}\n".encode())
    assert load_originals(tmp_path / "out" / "edit").digest == total.hexdigest()
