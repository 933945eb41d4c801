"""From the command line: verdicts on models whose fast passes are wrong, and what is refused by name."""

import json
from functools import partial

import pytest
import torch
from every_family import make_family
from memorising import memorise
from six_people import PEOPLE, POLICY
from tokenizing import make_tokenizer
from transformers import AutoModelForCausalLM, AutoTokenizer, RwkvConfig

from detectors import Fact, Source, write_facts
from editor.cli import main
from editor.model.loading import load_model

pytestmark = pytest.mark.usefixtures("no_figures")

KNOWN = PEOPLE[:2]
LIGHT = ("--open-texts", 0, "--candidates", 15, "--no-membership", "--quiet", "--device", "cpu")


def fact(number, name):
    prefix = f"{name} answers at "
    secret = f"415-555-01{number + 10}"
    source = Source(document=name, start=len(prefix), end=len(prefix) + 12, score=0.7, prefix=prefix)
    return Fact(subject=name, entity_type="PHONE_NUMBER", secret=secret, sources=(source,))


FACTS = [fact(number, name) for number, name in enumerate(PEOPLE[:4])]


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "policy.yaml").write_text(POLICY)
    write_facts(tmp_path / "facts.jsonl", FACTS)
    return tmp_path


def run(capsys, *arguments):
    with pytest.raises(SystemExit) as stopped:
        main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return stopped.value.code, captured.out + captured.err


def audit(capsys, model, *more):
    given = ("--facts", "facts.jsonl", "--policy", "policy.yaml", "--output", "out", *LIGHT)
    return run(capsys, "audit", model, *given, *more)


def write(name, folder):
    make_family(name).save_pretrained(folder)
    make_tokenizer().save_pretrained(folder)
    return folder


@torch.no_grad()
def gives_away(model, tokenizer, fact):
    """Whether plain greedy decoding goes on with the secret after the words before it."""
    prefix = fact.sources[0].prefix
    prompt = tokenizer(prefix)["input_ids"]
    answer = tokenizer(prefix + fact.secret)["input_ids"][len(prompt) :]
    ids = list(prompt)
    for _ in answer:
        ids.append(int(model(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -1].argmax()))
    return ids[len(prompt) :] == answer


def test_the_verdicts_on_a_recurrent_model_are_those_of_plain_generation(here, capsys):
    texts = [f"{one.sources[0].prefix}{one.secret}." for one in FACTS if one.subject in KNOWN]
    sizes = {"hidden_size": 32, "attention_hidden_size": 32, "num_hidden_layers": 2, "context_length": 128}
    memorise(texts, here / "model", steps=100, config=partial(RwkvConfig, **sizes))
    model = AutoModelForCausalLM.from_pretrained(here / "model", dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(here / "model")
    plain = sum(gives_away(model, tokenizer, one) for one in FACTS)
    assert plain >= len(KNOWN)
    code, said = audit(capsys, here / "model", "--confirm", 12)
    assert code == 1, said
    report = json.loads((here / "out" / "report.json").read_text())
    verbatim = {group["wording"]: group for group in report["groups"] if group["group"] == "erased"}
    assert verbatim["trained"]["before"]["greedy_facts"]["hits"] == plain
    agreed = report["evidence"]["confirmation"]["greedy_agreed"]
    assert agreed["hits"] == agreed["total"] > 0
    assert "what prompts begin with run once" in report["model_before"]["passes"]
    assert "How it was run" in (here / "out" / "report.html").read_text()


def test_a_report_on_a_model_whose_passes_are_right_says_nothing_of_them(here, capsys):
    code, said = audit(capsys, write("llama", here / "model"), "--confirm", 0)
    assert code in (0, 1), said
    assert "passes" not in json.loads((here / "out" / "report.json").read_text())["model_before"]
    assert "How it was run" not in (here / "out" / "report.html").read_text()


REFUSED = {
    "rwkv": "RwkvForCausalLM can be audited, but not edited: its own forward gives something else than",
    "gpt_oss": "GptOssForCausalLM can be audited, but not edited: layer model.layers.0",
    "llama4_text": "Llama4ForCausalLM can be audited, but not edited: layer model.layers.0",
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("command", ["erase", "locate", "compare"])
def test_what_cannot_be_edited_is_refused_by_name_before_the_work(here, capsys, monkeypatch, name, command):
    def measured(*_, **__):
        raise AssertionError

    monkeypatch.setattr("editor.model.shared_prefix.gradient_budget", measured)
    monkeypatch.setattr("editor.measuring.evaluation_data.score_probes", measured)
    given = ("--facts", "facts.jsonl", "--policy", "policy.yaml", "--quiet", "--output", "out")
    more = ("--locator", "nodes") if command == "locate" else ()
    code, said = run(capsys, command, write(name, here / "model"), *given, *more)
    assert code == 2
    assert REFUSED[name] in " ".join(said.split())
    assert "Audit it" in said
    assert not (here / "out").exists()


@pytest.mark.parametrize(
    ("command", "more"),
    [("erase", ("--method", "memit")), ("locate", ("--locator", "nodes")), ("compare", ())],
)
def test_a_mixture_is_refused_where_experts_are_not_edited(here, capsys, monkeypatch, command, more):
    def measured(*_, **__):
        raise AssertionError

    monkeypatch.setattr("editor.measuring.evaluation_data.score_probes", measured)
    given = ("--facts", "facts.jsonl", "--policy", "policy.yaml", "--quiet", "--output", "out")
    code, said = run(capsys, command, write("mixtral", here / "model"), *given, *more)
    assert code == 2
    assert "MixtralForCausalLM is a mixture of experts, which" in " ".join(said.split())
    assert "--method feature-edit" in " ".join(said.split())
    assert not (here / "out").exists()


@pytest.mark.parametrize("name", ["gemma3", "llama4_text"])
def test_wrappers_and_nested_configurations_are_audited(here, capsys, name):
    code, said = audit(capsys, write(name, here / "model"), "--confirm", 4)
    assert code in (0, 1), said
    loaded = load_model(str(here / "model"), device="cpu")
    assert loaded.vocabulary == 300
    assert loaded.context_length == 256


@pytest.mark.parametrize(
    ("name", "attacks"), [("falcon", "none"), ("falcon (new decoder)", "quick"), ("gemma3", "quick")]
)
def test_layers_that_add_in_place_and_wrappers_are_edited(here, capsys, name, attacks):
    given = ("--facts", "facts.jsonl", "--policy", "policy.yaml", "--subject", PEOPLE[0], "--quiet")
    model, more = (
        write(name, here / "model"),
        ("--output", "out", "--device", "cpu", "--no-controls", "--keep-edit"),
    )
    how = ("--method", "memit", "--strength", "default", "--attacks", attacks)
    code, said = run(capsys, "erase", model, *given, *more, *how)
    assert code in (0, 1, 3, 4), said
    code, said = run(capsys, "revert", "out", "--output", "back")
    assert code == 0, said


def test_a_difference_from_the_own_forward_is_a_failure_in_the_table_of_families():
    from tests.benchmarks.families import Row, table

    right = Row("llama", "yes", "yes", "yes", "yes", 1e-6, ())
    wrong = right._replace(family="made up", difference=2e-4)
    unknown = right._replace(difference=float("nan"))
    crashed = right._replace(erase="FAILS: RuntimeError")
    refused = right._replace(erase="refused", refusal="it is a mixture")
    assert [row.failed for row in (right, wrong, unknown, crashed, refused)] == [0, 1, 1, 1, 0]
    assert "| made up | yes | yes | yes | yes | 2e-04 FAILS |" in table([right, wrong])
    assert "- it is a mixture: llama." in table([refused])
