"""A plan counts what a run would ask and write, and reads no weights."""

import json
from pathlib import Path

import pytest
from made_machine import MACHINE, SPEED
from six_people import PEOPLE, write_case

from editor.api.planning.machine import Machine
from editor.api.planning.plan import run_plan
from editor.api.planning.rough_tokenizer import RoughTokenizer
from editor.api.requests import PlanRequest
from editor.api.running import read_case, read_policy
from editor.cli import main
from editor.measuring.evaluation_data import prepare
from editor.model.loading import load_model
from editor.progress import Silent
from policies.errors import ModelError, RequestError

LLAMA_7B = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "dtype": "bfloat16",
    "hidden_size": 4096,
    "intermediate_size": 11008,
    "num_attention_heads": 32,
    "num_hidden_layers": 32,
    "vocab_size": 32000,
}


@pytest.fixture
def fields(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_case(tmp_path)
    return {"facts": "facts.jsonl", "policy": "policy.yaml", "subjects": [PEOPLE[0]], "device": "cpu"}


def test_it_counts_what_a_loaded_model_is_asked(fields, checkpoint):
    request = PlanRequest(checkpoint("llama"), **fields)
    found = run_plan(request, MACHINE)
    case, loaded = read_case(request, read_policy("policy.yaml"), Silent()), load_model(str(request.model))
    for name, wide in (("audit", True), ("verify", False)):
        asked = prepare(case, loaded, wide=wide).measured
        assert found.stage(name).amounts["questions"] == len(asked)
    assert found.weights == sum(weight.numel() for weight in loaded.model.parameters())
    assert found.disk["model"] == (checkpoint("llama") / "model.safetensors").stat().st_size
    assert found.memory_mib > 512 + found.model_mib
    assert all(0 <= stage.low_s <= stage.high_s for stage in found.stages)


def test_a_configuration_alone_is_enough(fields):
    folder = Path("seven")
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(LLAMA_7B))
    found = run_plan(PlanRequest(folder, **fields, dtype="bfloat16", attacks="none", keep_edit=True), MACHINE)
    assert found.tokenizer == "rough"
    assert found.weights == 6_738_415_616
    assert found.disk["model"] == 2 * found.weights
    assert found.disk["originals"] == pytest.approx(8 * 3 * 4096 * 11008 * 2, rel=1e-4)
    assert found.stage("attacks").high_s == 0
    assert found.model_mib < found.stage("audit").memory_mib < 2 * found.model_mib


def test_remedies_lower_memory(fields):
    folder = Path("seven")
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(LLAMA_7B))
    found = run_plan(PlanRequest(folder, **fields, dtype="float32"), MACHINE)
    assert {remedy.option for remedy in found.remedies} >= {"--attacks none", "--dtype bfloat16"}
    assert all(remedy.memory_mib < found.memory_mib for remedy in found.remedies)


def test_what_cannot_be_planned_is_refused(fields, checkpoint):
    with pytest.raises(ModelError, match="does not exist"):
        run_plan(PlanRequest("no/such/model", **fields), MACHINE)
    with pytest.raises(RequestError, match="no method"):
        run_plan(PlanRequest(checkpoint("gpt2"), **fields, method="none such"), MACHINE)


@pytest.mark.usefixtures("fields")
def test_the_command_writes_json_and_nothing_else(checkpoint, capsys, monkeypatch):
    monkeypatch.setattr(Machine, "here", classmethod(lambda *_: MACHINE))
    before = sorted(Path.cwd().iterdir())
    given = ("--facts", "facts.jsonl", "--policy", "policy.yaml", "--subject", PEOPLE[0], "--device", "cpu")
    for more in (("--json",), ()):
        with pytest.raises(SystemExit) as stopped:
            main(["plan", str(checkpoint("gpt2")), *given, "--quiet", *more])
        out = capsys.readouterr().out
        assert stopped.value.code == 0
        assert PEOPLE[0] not in out
        if more:
            told = json.loads(out)
            assert [stage["name"] for stage in told["stages"]][:2] == ["audit", "original"]
            assert told["memory_mib"] > 0
        else:
            assert "nothing was written" in out
    assert sorted(Path.cwd().iterdir()) == before


def test_a_stand_in_tokenizes_with_offsets_and_the_same_piece_alike():
    tokenizer, text = RoughTokenizer(1000), "The phone of Ada Quill is 415-555-0132; the phone is hers."
    found = tokenizer(text, return_offsets_mapping=True)
    assert "".join(text[start:end] for start, end in found["offset_mapping"]) == text
    pieces = [text[start:end] for start, end in found["offset_mapping"]]
    places = [place for place, piece in enumerate(pieces) if piece == " phone"]
    assert len({found["input_ids"][place] for place in places}) == 1
    assert len(places) == 2


def test_speed_lies_between_what_was_timed():
    assert SPEED.rate(1) == 1e9
    assert SPEED.rate(10**6) == 1e11
    assert SPEED.rate(32) == pytest.approx(1e10)
