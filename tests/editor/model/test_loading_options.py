"""How a model is loaded and computed with, where a user says: revision, precision, batches."""

import shutil

import pytest
import torch
from huggingface_hub import errors

from editor.api.requests import CaseRequest, EraseRequest, VerifyRequest
from editor.api.running import _judged
from editor.model.adapters.reading import is_adapter
from editor.model.checks.hub import hub_refusal
from editor.model.loading import check_model, load_model
from editor.model.tokens import gradient_budget, limit_batches, token_budget
from policies.errors import ModelError, RequestError


@pytest.mark.parametrize("dtype", ["int8", "half-ish", "float8_e4m3fn"])
def test_a_dtype_that_nobody_computes_in(checkpoint, dtype):
    with pytest.raises(ModelError, match="is no dtype to compute in"):
        check_model(str(checkpoint("gpt2")), dtype=dtype)


def test_a_precision_is_kept_for_what_is_loaded_alike(checkpoint):
    folder = str(checkpoint("gpt2"))
    loaded = load_model(folder, device="cpu", dtype="bfloat16", batch_size=300)
    assert (loaded.model.dtype, loaded.stored_dtype) == (torch.bfloat16, torch.float32)
    again = load_model(folder, device="cpu", **loaded.alike)
    assert (again.model.dtype, again.batch_size) == (torch.bfloat16, 300)


def test_batches_hold_no_more_tokens_than_asked_for(checkpoint):
    model = load_model(str(checkpoint("gpt2")), device="cpu", batch_size=7).model
    assert (token_budget(model), gradient_budget(model)) == (7, 7)
    limit_batches(model, 10**9)
    most = token_budget(model)
    limit_batches(model, None)
    assert token_budget(model) == most


@pytest.mark.parametrize("size", [0, -1])
def test_a_batch_of_nothing(size):
    with pytest.raises(RequestError, match="`batch_size`"):
        CaseRequest(facts="f", batch_size=size)


def test_a_folder_has_no_revisions(checkpoint):
    with pytest.raises(ModelError, match="is a folder, and --revision names one"):
        check_model(str(checkpoint("gpt2")), revision="v1")


def test_a_revision_that_is_not_there():
    gone = errors.RevisionNotFoundError.__new__(errors.RevisionNotFoundError)
    refused = hub_refusal("someone/model", gone)
    assert "no such --revision of someone/model" in str(refused)


@pytest.mark.parametrize("revision", [None, "v1"])
def test_a_revision_reaches_everything_that_is_read(checkpoint, monkeypatch, revision):
    """transformers is asked for the same revision three times, of a name that is not a folder."""
    from transformers import AutoConfig, AutoTokenizer

    folder, name, asked = checkpoint("gpt2"), "someone/model", []

    def told(real):
        def read(source, **options):
            if source == name:  # the tokenizer's loader also reads the folder's configuration
                asked.append((source, options.pop("revision")))
            return real(str(folder), **options)

        return read

    monkeypatch.setattr("editor.model.checks.refusals.check_hub", lambda *given: asked.append(given))
    for kind in (AutoConfig, AutoTokenizer):
        monkeypatch.setattr(kind, "from_pretrained", told(kind.from_pretrained))
    checked = check_model(name, revision=revision)
    assert checked.revision == revision
    assert asked == [(name, revision), *[(name, revision or "main")] * 2]


def test_whose_revision_a_request_names():
    erase = EraseRequest("owner/model", facts="f", output="o", revision="v1")
    verify = VerifyRequest("out", against="owner/model", facts="f", revision="v1")
    assert (_judged(erase), _judged(verify)) == ("owner/model", "owner/model")


def test_weights_that_would_be_written_rounded(checkpoint, tmp_path):
    folder = tmp_path / "m"
    shutil.copytree(checkpoint("gpt2"), folder)
    (folder / "model.safetensors").unlink()
    torch.save(
        load_model(str(checkpoint("gpt2")), device="cpu").model.state_dict(), folder / "pytorch_model.bin"
    )
    assert not is_adapter(str(folder))
    with pytest.raises(ModelError, match="would be written rounded"):
        load_model(str(folder), device="cpu", dtype="bfloat16", full_precision=True)
    assert load_model(str(folder), device="cpu", dtype="bfloat16").model.dtype == torch.bfloat16
    assert load_model(str(folder), device="cpu", full_precision=True).files is None
