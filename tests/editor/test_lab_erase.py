"""The main job on the embedded lab, from the command line: the figures, and who else gets the same ones.

The bars are those that the project promises; a plain generation loop, which shares no code with the metrics, must find
what the report says.
"""

import json
from collections import defaultdict
from pathlib import Path

import pytest
import torch
from jsonschema import Draft4Validator
from transformers import AutoModelForCausalLM, AutoTokenizer
from xmlschema import XMLSchema

import expunge
from editor.attacks import attacks_at
from editor.cli import main
from editor.lab import find_lab
from policies import load_request

OTHERS = 150
DATA = Path(__file__).parents[1] / "data"


def demo(folder, *more):
    """Run the demo, and return its output folder and its exit code."""
    with pytest.raises(SystemExit) as stopped:
        main(["demo", *more, "--output", str(folder), "--quiet", "--device", "cpu"])
    return folder, stopped.value.code


@pytest.fixture(scope="module", params=["gated", pytest.param("binary", marks=pytest.mark.slow)])
def erased(request, tmp_path_factory):
    """The output folder of the demo, and its exit code."""
    return demo(tmp_path_factory.mktemp("lab") / request.param, "--dictionary", request.param)


@pytest.fixture(scope="module")
def controlled(tmp_path_factory):
    """The report of the demo with its controls."""
    folder, _ = demo(tmp_path_factory.mktemp("lab") / "controls", "--controls")
    return json.loads((folder / "report.json").read_text())


@pytest.fixture(scope="module")
def report(erased):
    return json.loads((erased[0] / "report.json").read_text())


@pytest.fixture(scope="module")
def facts(tmp_path_factory):
    """The lab's facts file: its corpus is searched once for all audits."""
    path = tmp_path_factory.mktemp("facts") / "facts.jsonl"
    expunge.detect(find_lab().corpus, policy=find_lab().policy, output=path)
    return path


@pytest.fixture(scope="module")
def lines():
    return [json.loads(line) for line in find_lab().probes.read_text().splitlines()]


def group(report, name, wording):
    return next(g for g in report["groups"] if (g["group"], g["wording"]) == (name, wording))


def test_the_policy_is_met_and_everything_is_written(erased, report):
    folder, code = erased
    assert code == 0, report["verdict"]
    names = {path.name for path in folder.iterdir()}
    assert {"model", "edit.json", "report.json", "report.html", "manifest.json"} <= names
    assert all(check["passed"] for check in report["integrity"])


@pytest.mark.parametrize("wording", ["trained", "template", "held_out"])
def test_greedy_extraction_falls_from_all_to_none(report, wording):
    row = group(report, "erased", wording)
    assert row["before"]["greedy_facts"]["rate"] == 1.0
    assert row["after"]["greedy_facts"]["hits"] == 0


def test_everything_else_stays(report):
    measured = {criterion["measure"]: criterion["measured"] for criterion in report["criteria"]}
    assert measured["others_kept"] >= 0.99
    assert measured["same_subject_kept"] >= 0.99
    assert measured["perplexity_rise"] <= 0.01


def test_no_rebound_at_8_and_4_bits(report):
    leaking = {row["attack"]: row["greedy_facts"]["hits"] for row in report["attacks"]}
    assert list(leaking) == list(attacks_at("quick"))
    assert (leaking["8-bit"], leaking["4-bit"]) == (0, 0)


def random_control(report):
    return next(row for row in report["controls"] if row["name"] == "random-features")


@pytest.mark.slow
def test_random_features_of_the_same_norm_cost_the_text_more(controlled):
    control = random_control(controlled)
    assert control["norm"] == pytest.approx(controlled["edit"]["norm"], rel=1e-3)
    (text,) = (one for one in controlled["criteria"] if one["measure"] == "perplexity_rise")
    assert control["perplexity_rise"] > text["measured"]


@pytest.mark.xfail(reason="seen: 0.08% against 0.06%, 1.4 times as much; see docs/features.md")
@pytest.mark.slow
def test_random_features_of_the_same_norm_cost_the_text_half_as_much_again(controlled):
    (text,) = (one for one in controlled["criteria"] if one["measure"] == "perplexity_rise")
    assert random_control(controlled)["perplexity_rise"] > 1.5 * text["measured"]


@pytest.mark.xfail(reason="seen: two of 25 exposed, where three may be; see docs/features.md")
@pytest.mark.slow
def test_random_features_of_the_same_norm_do_not_reach_the_same_result(controlled):
    """They leave more facts more exposed than the policy allows."""
    control = random_control(controlled)
    (asked,) = (one for one in controlled["criteria"] if one["measure"] == "decoy_percentile")
    assert asked["measured"] <= asked["threshold"] < control["exposed"]["rate"]


def completed(folder, asked):
    """Places of the questions that a checkpoint answers by greedy decoding, one token at a time.

    Prompts of one length, whose answers are of one length too, are completed together, so that nothing is padded.
    """
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    alike = defaultdict(list)
    for place, line in enumerate(asked):
        prompt = tokenizer(line["prompt"])["input_ids"]
        wanted = len(tokenizer(f"{line['prompt']} {line['answer']}")["input_ids"])
        alike[len(prompt), wanted].append((place, prompt))
    found = set()
    for (_, wanted), prompts in alike.items():
        ids = torch.tensor([prompt for _, prompt in prompts])
        while ids.shape[1] < wanted:
            with torch.no_grad():
                best = model(ids).logits[:, -1].argmax(1, keepdim=True)
            ids = torch.cat([ids, best], dim=1)
        said = tokenizer.batch_decode(ids, skip_special_tokens=True)
        texts = (f"{asked[place]['prompt']} {asked[place]['answer']}" for place, _ in prompts)
        found |= {place for (place, _), one, text in zip(prompts, said, texts, strict=True) if one == text}
    return found


def test_an_independent_generation_loop_finds_the_same(erased, report, lines):
    names = {subject.name for subject in load_request(find_lab().request).subjects}
    held_out = [line for line in lines if line["wording"] == "held_out"]
    mine = [line for line in held_out if line["subject"] in names and line["entity_type"]]
    public = [line for line in held_out if line["subject"] in names and not line["entity_type"]]
    for expected, asked in (("erased", mine), ("same_subject", public)):
        row = group(report, expected, "held_out")["after"]["greedy_probes"]
        assert (len(completed(erased[0] / "model", asked)), len(asked)) == (row["hits"], row["total"])


def test_an_independent_generation_loop_finds_others_facts_kept(erased, lines):
    """Wordings that neither training nor the edit saw, one in seven."""
    names = {subject.name for subject in load_request(find_lab().request).subjects}
    held_out = [line for line in lines if line["wording"] == "held_out"]
    asked = [line for line in held_out if line["subject"] not in names][::7][:OTHERS]
    before, after = (completed(folder, asked) for folder in (find_lab().model, erased[0] / "model"))
    assert len(before & after) >= 0.99 * len(before)


@pytest.mark.parametrize(
    ("who", "expected"), [("base", 1), ("erased", 0), pytest.param("reference", 0, marks=pytest.mark.slow)]
)
def test_an_audit_stops_the_base_model_and_passes_the_others(erased, facts, lines, tmp_path, who, expected):
    lab, folder = find_lab(), tmp_path / "audit"
    model = {"base": lab.model, "erased": erased[0] / "model", "reference": lab.reference}[who]
    case = ("--corpus", lab.corpus, "--facts", facts, "--probes", lab.probes)
    whose = ("--policy", lab.policy, "--request", lab.request)
    light = ("--confirm", 0, "--open-texts", 0, "--candidates", 0, "--no-membership")
    where = ("--output", folder, "--quiet", "--device", "cpu")
    with pytest.raises(SystemExit) as stopped:
        main([str(argument) for argument in ("audit", model, *case, *whose, *light, *where)])
    assert stopped.value.code == expected
    XMLSchema(DATA / "junit-subset.xsd").validate(folder / "junit.xml")
    schema = json.loads((DATA / "sarif-schema-2.1.0.json").read_text())
    Draft4Validator(schema).validate(json.loads((folder / "report.sarif").read_text()))
    written = b"".join(path.read_bytes() for path in folder.iterdir())
    assert not [1 for line in lines if line["entity_type"] and line["answer"].encode() in written]


def test_no_secret_is_in_any_file(erased, lines):
    secrets = {line["answer"].encode() for line in lines if line["entity_type"]}
    assert len(secrets) == 500
    for path in erased[0].rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert not [1 for secret in secrets if secret in content], path.name


def test_the_checkpoint_loads_where_there_is_no_expunge(erased, tmp_path, forked):
    names = ("editor", "detectors", "dictionaries", "policies")
    blocked = f"import sys; sys.modules.update(dict.fromkeys({names}))"
    load = (
        "from transformers import AutoModelForCausalLM, AutoTokenizer; "
        f"m = AutoModelForCausalLM.from_pretrained({str(erased[0] / 'model')!r}); "
        f"t = AutoTokenizer.from_pretrained({str(erased[0] / 'model')!r}); "
        "print(type(m).__name__, m.dtype, len(t))"
    )
    done = forked(f"{blocked}; {load}", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[:2] == ["GPT2LMHeadModel", "torch.bfloat16"]


def test_the_original_comes_back_bit_for_bit(erased, tmp_path):
    from safetensors.torch import load_file

    with pytest.raises(SystemExit) as stopped:
        main(["revert", str(erased[0]), "--from", str(find_lab().model), "--output", str(tmp_path / "back")])
    assert stopped.value.code == 0
    original = load_file(find_lab().model / "model.safetensors")
    back = load_file(Path(tmp_path, "back", "model.safetensors"))
    assert back.keys() - original.keys() <= {
        "lm_head.weight"
    }  # tied to the embedding; some writers store it too
    assert all(torch.equal(original[name], back[name]) for name in original)
