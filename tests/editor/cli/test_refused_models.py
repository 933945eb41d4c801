"""On the command line: models that cannot be used end with exit code 2 before anything is computed or written."""

import json
import shutil

import pytest
import torch
from quantised_checkpoints import quantise_fp8, says_quantised
from six_people import PEOPLE, write_case
from transformers import AutoModelForCausalLM, MixtralConfig

from editor.cli import main
from editor.model.loading import quiet

pytestmark = pytest.mark.usefixtures("no_figures")

LIGHT = (
    "--confirm",
    "0",
    "--open-texts",
    "0",
    "--candidates",
    "0",
    "--no-membership",
    "--device",
    "cpu",
    "--quiet",
)
INPUTS = {"policy.yaml", "facts.jsonl", "request.yaml", "model"}


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return write_case(tmp_path)


@pytest.fixture
def nothing_is_computed(monkeypatch):
    def fail(*_, **__):
        raise AssertionError("the work began")

    for name in ("editor.model.loading._load_weights", "editor.case.build_probes"):
        monkeypatch.setattr(name, fail)


def run(capsys, command, *arguments):
    given = ("--facts", "facts.jsonl", "--policy", "policy.yaml", "--output", "out")
    with pytest.raises(SystemExit) as stopped:
        main([command, *map(str, arguments), *given])
    captured = capsys.readouterr()
    return stopped.value.code, captured.out, captured.err


def change(path, **values):
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


@pytest.mark.usefixtures("nothing_is_computed")
@pytest.mark.parametrize("command", ["erase", "compare", "locate"])
def test_a_quantised_model_is_refused_at_once_by_what_edits(here, checkpoint, capsys, command):
    says_quantised(checkpoint("gpt2"), here / "model", quant_method="bitsandbytes", load_in_4bit=True)
    more = ("--locator", "kn") if command == "locate" else ()
    code, _, err = run(capsys, command, "model", *more)
    assert (code, {path.name for path in here.iterdir()} - INPUTS) == (2, set())
    assert "is quantised (bitsandbytes, 4 bits): no edit can be written into its weights" in err
    assert "Name the full-precision checkpoint" in err


def spoiled_by_type(folder):
    change(folder / "config.json", model_type="own", auto_map={"AutoConfig": "a.B"})


def spoiled_by_shard(folder):
    (folder / "model.safetensors").write_bytes(b"short")


def spoiled_by_template(folder):
    (folder / "chat_template.jinja").write_text("{% for m in messages %}")


def spoiled_by_templates(folder):
    templates = [{"name": name, "template": "{{ messages }}"} for name in ("rag", "tool_use")]
    change(folder / "tokenizer_config.json", chat_template=templates)


def spoiled_by_link(folder):
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer.json").symlink_to(folder / "gone")


@pytest.mark.usefixtures("nothing_is_computed")
@pytest.mark.parametrize("command", ["audit", "erase"])
@pytest.mark.parametrize(
    ("spoil", "cause"),
    [
        (spoiled_by_type, "--trust-remote-code"),
        (spoiled_by_shard, "cut short or damaged"),
        (spoiled_by_template, "not valid Jinja"),
        (spoiled_by_templates, "none is the default"),
        (spoiled_by_link, "is a link to a file that is not there"),
    ],
)
def test_a_model_that_cannot_be_used(here, checkpoint, capsys, command, spoil, cause):
    shutil.copytree(checkpoint("gpt2"), here / "model")
    spoil(here / "model")
    code, _, err = run(capsys, command, "model")
    assert (code, {path.name for path in here.iterdir()} - INPUTS) == (2, set())
    assert cause in err
    assert "memory" not in err


@pytest.mark.usefixtures("here", "nothing_is_computed")
@pytest.mark.parametrize("command", ["audit", "erase", "compare"])
@pytest.mark.parametrize(("device", "cause"), [("cuda", "there is no GPU"), ("gpu", "is no device")])
def test_a_device_that_is_not_here(checkpoint, capsys, monkeypatch, command, device, cause):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    code, _, err = run(capsys, command, checkpoint("gpt2"), "--device", device)
    assert code == 2
    assert cause in err


def test_a_secret_in_a_file_of_the_model_is_found_before_the_work(here, checkpoint, capsys, monkeypatch):
    def fail(*_, **__):
        raise AssertionError("the work began")

    for name in ("editor.pipeline.measure_original", "editor.api.erase.supply_dictionaries"):
        monkeypatch.setattr(name, fail)
    shutil.copytree(checkpoint("gpt2"), here / "model")
    (here / "model" / "vocab_notes.txt").write_text("asked of 415 555 0110")
    code, _, err = run(capsys, "erase", "model", "--subject", PEOPLE[0], "--device", "cpu", "--quiet")
    assert (code, {path.name for path in here.iterdir()} - INPUTS) == (2, set())
    assert "vocab_notes.txt holds" in err
    assert "0110" not in err


def test_fp8_is_audited(here, checkpoint, capsys):
    quantise_fp8(checkpoint("llama", torch.bfloat16), here / "model")
    code, out, err = run(capsys, "audit", "model", *LIGHT)
    assert code in (0, 1), err
    assert "Report:" in out


def test_what_was_not_found_is_on_the_terminal_and_in_the_report(here, checkpoint, capsys):
    subjects = "".join(f"  - name: {name}\n" for name in PEOPLE)
    (here / "request.yaml").write_text(
        f"case: c\nentity_types: [PHONE_NUMBER, EMAIL_ADDRESS]\nsubjects:\n{subjects}"
    )
    code, out, err = run(capsys, "audit", checkpoint("gpt2"), "--request", "request.yaml", *LIGHT)
    assert code in (0, 1), err
    assert "Asked for and not found:" in out
    line = "EMAIL_ADDRESS: no fact was found about data subjects 1, 2, 3, 4, 5 and 6 of 6"
    assert line in out
    assert line in json.loads((here / "out" / "report.json").read_text())["scope"]["not_found"][0]
    assert "Asked for and not found" in (here / "out" / "report.html").read_text()
    assert not any(name in out for name in PEOPLE)


@pytest.mark.parametrize(("method", "attacks"), [("npo-lora", "none"), ("grad-ascent", "quick")])
def test_a_mixture_of_experts_is_erased_through_lora(here, checkpoint, capsys, method, attacks):
    config = MixtralConfig(
        vocab_size=300,
        hidden_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        intermediate_size=40,
        max_position_embeddings=96,
        num_local_experts=4,
        bos_token_id=0,
        eos_token_id=0,
        pad_token_id=0,
    )
    torch.manual_seed(0)
    shutil.copytree(
        checkpoint("gpt2"), here / "model", ignore=shutil.ignore_patterns("model*", "config.json")
    )
    with quiet():
        AutoModelForCausalLM.from_config(config).save_pretrained(here / "model")
    (here / "model" / "gone.txt").symlink_to(here / "nowhere")  # not needed, and no reason to stop
    more = ("--method", method, "--strength", "0.001", "--no-controls", "--attacks", attacks)
    code, _, err = run(capsys, "erase", "model", *more, "--subject", PEOPLE[0], "--device", "cpu", "--quiet")
    assert code in (0, 1, 3, 4), err
    report = json.loads((here / "out" / "report.json").read_text())
    assert report["edit"]["method"] == method
    assert all("experts" not in name for name in report["edit"]["parameters"])
