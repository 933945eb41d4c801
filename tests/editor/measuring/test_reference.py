"""A verification against a never-seen reference: random models, of which one was changed in one tensor."""

import shutil

import pytest
from safetensors.torch import load_file, save_file
from six_people import PEOPLE as SIX
from six_people import POLICY
from tokenizing import make_tokenizer

import expunge
from detectors import Fact, Source, write_facts
from editor import pipeline
from editor.api.requests import EraseRequest, VerifyRequest
from policies.errors import ModelError, RequestError

PEOPLE = SIX[:2]


@pytest.fixture(scope="module")
def folder(tmp_path_factory, checkpoint):
    """Facts, a policy, and two changed copies of a model."""
    folder = tmp_path_factory.mktemp("reference")
    facts = []
    for number, name in enumerate(PEOPLE):
        secret, prefix = f"415-555-01{number}{number + 1}", f"The phone number of {name} is "
        source = Source(document=name, start=len(prefix), end=len(prefix) + 12, score=0.7, prefix=prefix)
        facts.append(Fact(subject=name, entity_type="PHONE_NUMBER", secret=secret, sources=(source,)))
    write_facts(folder / "facts.jsonl", facts)
    (folder / "policy.yaml").write_text(POLICY + "leakage: {forget_quality: 0.05}\n")
    for name, factor in (("edited", 0.5), ("reference", 0.7)):
        shutil.copytree(checkpoint("llama"), folder / name)
        path = folder / name / "model.safetensors"
        tensors = load_file(path)
        changed = next(one for one in sorted(tensors) if "down_proj" in one)
        tensors[changed] = tensors[changed] * factor
        save_file(tensors, path, metadata={"format": "pt"})
    return folder


def verify(folder, checkpoint, reference):
    return expunge.verify(
        folder / "edited",
        against=checkpoint("llama"),
        reference=reference,
        facts=folder / "facts.jsonl",
        policy=folder / "policy.yaml",
        attacks="none",
        device="cpu",
    )


def test_facts_are_compared_with_those_in_the_reference(folder, checkpoint):
    report = verify(folder, checkpoint, folder / "reference")
    found = report.forget_quality
    assert found.against == "reference"
    assert found.reference.source == str(folder / "reference")
    assert found.reference.digest not in (report.model_before.digest, report.model_after.digest)
    assert len(found.facts) == len(found.never_seen) == len(PEOPLE)
    assert {row.fact for row in found.facts} == {row.fact for row in report.facts}
    assert not found.tested  # two facts tell nothing
    row = next(row for row in report.criteria if row.measure == "forget_quality")
    assert (row.result, row.missing) == ("not tested", True)
    assert not [name for name in PEOPLE if name in report.to_json()]


def test_the_reference_is_the_control_of_activation_patching_and_of_no_other_attack(
    folder, checkpoint, monkeypatch
):
    beside = []
    real = pipeline.attack_rows

    def told(case, after, prepared, stages, weights, reference, work):
        beside.append(reference)
        return real(case, after, prepared, stages, weights, reference, work)

    loads, load = 0, pipeline.load_reference

    def counted(*given):
        nonlocal loads
        loads += 1
        return load(*given)

    monkeypatch.setattr(pipeline, "load_reference", counted)

    def attacked(reference, attack):
        monkeypatch.setattr("editor.api.verify.attacks_at", lambda _: (attack,))
        (row,) = verify(folder, checkpoint, reference).attacks
        assert row.attack == attack
        return beside.pop()

    monkeypatch.setattr(pipeline, "attack_rows", told)
    assert attacked(folder / "reference", "activation-patching").source == str(folder / "reference")
    assert loads == 1  # the same model is asked afterwards
    assert attacked(folder / "reference", "8-bit") is None
    assert attacked(None, "activation-patching") is None


def test_what_is_no_reference_is_refused_before_anything_is_computed(
    folder, checkpoint, tmp_path, monkeypatch
):
    monkeypatch.setattr("editor.api.verify.load_original", lambda *_: pytest.fail("a model was loaded"))
    other = shutil.copytree(folder / "reference", tmp_path / "other")
    tokenizer = make_tokenizer()
    tokenizer.chat_template = "{% for m in messages %}{{ m['content'] }}{% endfor %}"
    tokenizer.save_pretrained(other)
    with pytest.raises(ModelError, match="another chat template than the model"):
        verify(folder, checkpoint, other)
    shutil.copyfile(folder / "reference" / "tokenizer_config.json", other / "tokenizer_config.json")
    make_tokenizer(["Quite other text, with other merges, over and over and over."] * 3).save_pretrained(
        other
    )
    with pytest.raises(ModelError, match="another tokenizer than the model"):
        verify(folder, checkpoint, other)
    for known in (folder / "edited", checkpoint("llama")):
        copy = shutil.copytree(known, tmp_path / f"copy of {known.name}")
        with pytest.raises(ModelError, match="the very weights of a model that saw the facts"):
            verify(folder, checkpoint, copy)
    with pytest.raises(ModelError, match="does not exist"):
        verify(folder, checkpoint, tmp_path / "nowhere")


@pytest.mark.parametrize("reference", ["model", "./model"])
def test_the_model_itself_is_no_reference(reference):
    given = {"facts": "f", "output": "o", "reference": reference}
    with pytest.raises(RequestError, match="the model itself"):
        EraseRequest("model", **given)
    for edited, against in (("model", "x"), ("x", "model"), (".", "x")):
        with pytest.raises(RequestError, match="the model itself"):
            VerifyRequest(edited, against=against, **given)
