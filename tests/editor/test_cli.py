"""The command line: exit codes, one-line causes with remedies, and nothing written on bad input."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from memorising import memorise
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from detectors import Fact, Source, write_facts
from dictionaries import (
    ARCHITECTURES,
    DictionaryConfig,
    Site,
    load_dictionaries,
    save_dictionaries,
    save_dictionary,
    token_batches,
    train_dictionaries,
)
from editor import dictionary_supply, pipeline
from editor.cli import main
from editor.cli.options import masked_command
from editor.tuning import kept_fits

PEOPLE = ("Ada Quill", "Bruno Marsh", "Cora Finch", "Dorian Vale", "Elsa Thorn", "Felix Reed")
POLICY = """
name: test
entities:
  PHONE_NUMBER:
    templates: ["The phone number of {subject} is"]
    verification_templates: ["To reach {subject}, dial"]
"""


def fact(number, name):
    secret = f"415-555-01{number + 10}"
    prefixes = [f"{name} answers at ", f"The desk calls {name} on ", f"Dial for {name}: "]
    sources = tuple(
        Source(document=f"d{number}-{i}", start=len(p), end=len(p) + 12, score=0.7, prefix=p)
        for i, p in enumerate(prefixes)
    )
    return Fact(subject=name, entity_type="PHONE_NUMBER", secret=secret, sources=sources)


FACTS = [fact(number, name) for number, name in enumerate(PEOPLE)]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A working folder with a policy, a facts file and a corpus."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "policy.yaml").write_text(POLICY)
    write_facts(tmp_path / "facts.jsonl", FACTS)
    lines = [
        {
            "id": f"d{i}-0",
            "text": f"{name} answers at 415-555-01{i + 10}. {name} likes tea.",
            "subjects": [name],
        }
        for i, name in enumerate(PEOPLE)
    ]
    (tmp_path / "corpus.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return tmp_path


def run(capsys, *arguments):
    with pytest.raises(SystemExit) as stopped:
        main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return stopped.value.code, captured.out, captured.err


def save_random_dictionaries(folder, width=24, layers=(0, 1)):
    for layer in layers:
        dictionary = ARCHITECTURES["gated"](DictionaryConfig(site=Site(layer), width=width, features=64))
        torch.manual_seed(layer)
        with torch.no_grad():
            for parameter in dictionary.parameters():
                parameter.copy_(torch.randn_like(parameter) * 0.3)
        save_dictionary(dictionary, folder / f"mlp_out.{layer}")
    return folder


def erase(model, *more):
    return ("erase", model, "--facts", "facts.jsonl", "--policy", "policy.yaml", "--output", "out", *more)


def left(folder, known=("policy.yaml", "facts.jsonl", "corpus.jsonl")):
    return {path.name for path in folder.iterdir()} - set(known)


BAD = {
    "missing model": ("no/such/model", (), "does not exist"),
    "facts file missing": ("MODEL", ("--facts", "nowhere.jsonl"), "nowhere.jsonl cannot be read"),
    "subject not in the corpus": ("MODEL", ("--subject", "Nobody Known"), "data subject 1 of 1"),
    "policy missing": ("MODEL", ("--policy", "nowhere.yaml"), "There is no policy nowhere.yaml"),
    "unknown strength": ("MODEL", ("--strength", "much"), "--strength is neither auto, default nor"),
    "both request and subject": ("MODEL", ("--subject", "A", "--request", "r.yaml"), "not both"),
    "a dictionary for neurons": ("MODEL", ("--method", "neuron-kn", "--dictionary", "d"), "has no meaning"),
    "too few neurons": (
        "MODEL",
        ("--method", "neuron-kn", "--strength", "2"),
        "a whole number from 10 to 1000",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_exits_2_names_the_cause_and_writes_nothing(here, capsys, checkpoint, case):
    model, more, cause = BAD[case]
    code, _, err = run(capsys, *erase(checkpoint("gpt2") if model == "MODEL" else model, *more))
    assert code == 2
    assert cause in err
    assert not left(here)


def test_empty_model_folder(here, capsys):
    (here / "empty").mkdir()
    code, _, err = run(capsys, *erase("empty"))
    assert (code, left(here)) == (2, {"empty"})
    assert "is empty" in err


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ('{"id": "a", "text": "x"}\nnot json\n', "not all of it was read (line 2: skipped: it is not JSON)"),
        ("not json\n", "it is not JSON (line 1)"),
        ("", "holds no document"),
        ('{"id": "a", "text": "Nothing personal here."}\n', "No personal fact"),
    ],
)
def test_bad_corpora(here, capsys, checkpoint, text, cause):
    (here / "corpus.jsonl").write_text(text)
    arguments = ("--corpus", "corpus.jsonl", "--policy", "policy.yaml", "--output", "out")
    code, _, err = run(capsys, "audit", checkpoint("gpt2"), *arguments)
    assert (code, left(here)) == (2, set())
    assert cause in err


@pytest.mark.parametrize(
    ("policy", "cause"),
    [
        (POLICY + "colour: red\n", "colour"),
        (POLICY.replace("PHONE_NUMBER", "PHONE_NUMBR"), "PHONE_NUMBR"),
        ("entities: [", "policy.yaml"),
    ],
)
def test_bad_policies(here, capsys, checkpoint, policy, cause):
    (here / "policy.yaml").write_text(policy)
    code, _, err = run(capsys, *erase(checkpoint("gpt2")))
    assert (code, left(here)) == (2, set())
    assert cause in err


def test_dictionaries_of_another_width_or_site(here, capsys, checkpoint, tmp_path_factory):
    narrow = save_random_dictionaries(tmp_path_factory.mktemp("narrow"), width=20)
    deep = save_random_dictionaries(tmp_path_factory.mktemp("deep"), layers=(7,))
    for folder, cause in ((narrow, "20"), (deep, "layer"), (here / "nowhere", "nowhere")):
        code, _, err = run(capsys, *erase(checkpoint("gpt2"), "--dictionary", folder))
        assert (code, left(here)) == (2, set())
        assert cause in err


def test_an_output_that_is_not_empty_is_refused_and_kept(here, capsys, checkpoint):
    (here / "out").mkdir()
    (here / "out" / "precious.txt").write_text("mine")
    code, _, err = run(capsys, *erase(checkpoint("gpt2")))
    assert code == 2
    assert "not empty" in err
    assert (here / "out" / "precious.txt").read_text() == "mine"


def test_nan_weights_and_other_architectures(here, capsys, checkpoint, tmp_path_factory):
    broken = tmp_path_factory.mktemp("broken") / "m"
    shutil.copytree(checkpoint("llama"), broken)
    tensors = load_file(broken / "model.safetensors")
    tensors["model.norm.weight"][0] = float("nan")
    save_file(tensors, broken / "model.safetensors", metadata={"format": "pt"})
    code, _, err = run(capsys, *erase(broken))
    assert (code, left(here)) == (2, set())
    assert "NaN" in err
    config = json.loads((broken / "config.json").read_text()) | {"architectures": ["BertForMaskedLM"]}
    (broken / "config.json").write_text(json.dumps(config))
    code, _, err = run(capsys, *erase(broken))
    assert (code, left(here)) == (2, set())
    assert "not a causal language model" in err


def test_internal_errors_disclose_nothing(here, capsys, checkpoint, monkeypatch, tmp_path_factory):
    def fail(*_, **__):
        raise RuntimeError("415-555-0110")

    monkeypatch.setattr("editor.pipeline.measure_original", fail)
    code, out, err = run(
        capsys,
        *erase(checkpoint("gpt2"), "--dictionary", save_random_dictionaries(tmp_path_factory.mktemp("d"))),
    )
    assert code == 5
    assert "RuntimeError" in err
    assert "415-555-0110" not in out + err
    assert not (here / "out").exists()


@pytest.fixture(scope="module")
def memorised(tmp_path_factory):
    """A small Llama that knows everybody's number by heart, and dictionaries of it: nothing of the lab's."""
    folder = tmp_path_factory.mktemp("memorised")
    texts = [f"{prefix}{f.secret}." for f in FACTS for prefix in (s.prefix for s in f.sources)]
    memorise(texts, folder / "model")
    trained = AutoModelForCausalLM.from_pretrained(folder / "model", dtype=torch.float32)
    config = replace(ARCHITECTURES["gated"].defaults, features=128, steps=200, batch_size=256)
    tokenizer = AutoTokenizer.from_pretrained(folder / "model")
    tokens = list(token_batches(texts, tokenizer, context=64))
    found = train_dictionaries(trained, tokens, [Site(0), Site(1)], "gated", config).dictionaries
    save_dictionaries(found, folder / "dictionaries")
    return folder


def test_erase_verify_and_revert_on_a_model_that_is_not_the_labs(here, capsys, memorised):
    write_facts(here / "facts.jsonl", FACTS)
    model, subject = memorised / "model", ("--subject", "Ada Quill")
    more = (*subject, "--dictionary", memorised / "dictionaries", "--quiet", "--strength", "2", "--seed", "3")
    code, out, err = run(capsys, *erase(model, *more, "--no-controls", "--attacks", "none", "--keep-edit"))
    report = json.loads((here / "out" / "report.json").read_text())
    assert report["exit_code"] == code, err
    assert "PEFT adapter:" in out
    erased = {g["wording"]: g for g in report["groups"] if g["group"] == "erased"}
    assert erased["trained"]["before"]["greedy_facts"]["rate"] == 1.0
    assert erased["trained"]["after"]["greedy_facts"]["rate"] == 0.0
    assert all(check["passed"] for check in report["integrity"])
    everything = b"".join(path.read_bytes() for path in (here / "out").rglob("*") if path.is_file())
    assert not any(fact.secret.encode() in everything for fact in FACTS)
    assert b"Ada Quill" not in everything
    assert 'href="features.html"' in (here / "out" / "report.html").read_text()
    assert "feature" in (here / "out" / "features.html").read_text()
    arguments = ("--facts", "facts.jsonl", "--policy", "policy.yaml", *subject, "--quiet", "--seed", "3")
    checking = ("verify", "out", "--against", model, "--attacks", "none", "--output", "checked")
    again, _, _ = run(capsys, *checking, *arguments)
    checked = json.loads((here / "checked" / "report.json").read_text())
    assert (again, checked["groups"]) == (code, report["groups"])
    code, out, _ = run(capsys, "revert", "out", "--output", "back")
    assert code == 0, out
    original, back = load_file(model / "model.safetensors"), load_file(here / "back" / "model.safetensors")
    assert all(torch.equal(original[name], back[name]) for name in original)


@pytest.mark.usefixtures("short_fits")
def test_the_same_command_gives_the_same_report(here, capsys, memorised):
    write_facts(here / "facts.jsonl", FACTS)
    more = ("--subject", "Ada Quill", "--dictionary", memorised / "dictionaries", "--quiet", "--trials", "2")
    reports = []
    for _ in range(2):
        _, _, err = run(capsys, *erase(memorised / "model", *more, "--overwrite"))
        assert (here / "out").exists(), err
        reports.append([(here / "out" / name).read_bytes() for name in ("report.json", "features.html")])
    assert reports[0] == reports[1]


SAYING_WHEN = {"manifest.json", "statement.json", "bom.json", "report.html", "model_card.md", "summary.md"}
"""Files that tell when their run was."""


def stopped(*_, **__):
    raise KeyboardInterrupt


@pytest.mark.usefixtures("short_fits")
def test_a_stopped_run_leaves_what_it_made_and_the_same_command_resumes_it(
    here, capsys, memorised, monkeypatch
):
    """Stopped while it writes the checkpoint: dictionaries, attribution and fits are made by then."""
    (here / "key").write_text("0" * 64)
    (here / "key").chmod(0o600)
    given = ("--corpus", "corpus.jsonl", "--subject", "Ada Quill", "--case-key", "key")
    how = ("--trials", "1", "--no-controls", "--attacks", "none", "--quiet")
    command = erase(memorised / "model", *given, *how)
    dictionaries = SimpleNamespace(dictionaries=load_dictionaries(memorised / "dictionaries"))
    monkeypatch.setattr(dictionary_supply, "train_dictionaries", lambda *_, **__: dictionaries)
    code, _, err = run(capsys, *command)
    whole = {path: path.read_bytes() for path in (here / "out").rglob("*") if path.is_file()}
    assert whole, err
    shutil.rmtree(here / "out")
    with monkeypatch.context() as patched:
        patched.setattr(pipeline, "export_checkpoint", stopped)
        assert run(capsys, *command)[0] == 4
    kept = sorted(path.name.partition("-")[0] for path in (here / "out.unfinished").iterdir())
    assert {*kept} == {"attribution", "dictionaries", "fit", "scores"}
    assert kept.count("fit") == 2
    for owner, name in ((dictionary_supply, "train_dictionaries"), (kept_fits, "fit_method")):
        monkeypatch.setattr(owner, name, stopped)
    assert run(capsys, *command)[0] == code
    assert not (here / "out.unfinished").exists()
    again = {path: path.read_bytes() for path in (here / "out").rglob("*") if path.is_file()}
    told = {path for path in {*whole, *again} if whole.get(path) != again.get(path)}
    assert {path.name for path in told} <= SAYING_WHEN


def test_help_answers_at_once():
    """What it imports decides how long it takes: beside Python's own modules and ours, click alone."""
    program = (
        "import atexit, sys; known = set(sys.modules); from editor.cli import main; "
        "atexit.register(lambda: print(*set(sys.modules) - known, file=sys.stderr)); main(['--help'])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True)
    assert "erase" in done.stdout
    imported = done.stderr.split()
    others = {name.partition(".")[0] for name in imported} - sys.stdlib_module_names
    assert others <= {"click", "editor", "detectors", "dictionaries", "policies"}
    assert len(imported) < 200  # torch alone has more than 1,000


def test_help_of_every_command(capsys):
    for command in ("demo", "detect", "audit", "erase", "verify", "revert", "dictionary"):
        code, out, _ = run(capsys, command, "--help")
        assert code == 0
        assert "Usage: expunge" in out


def test_subjects_are_masked_in_the_recorded_command():
    arguments = ["erase", "m", "--subject", "Ada Quill", "--subject=Bruno Marsh", "--seed", "1"]
    assert masked_command(arguments) == "expunge erase m --subject '***' '--subject=***' --seed 1"
