import json
import os
import signal
import subprocess
import sys
from importlib.util import find_spec

import pytest
import torch
from click.testing import CliRunner
from launching import launch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import AutoModelForCausalLM, GPT2Config, PreTrainedTokenizerFast

from detectors.fact import Fact, Source, write_facts
from editor.cli.dictionary import dictionary
from policies.errors import CorpusError, DictionaryError, ModelError, OutputError

TEXTS = [f"Ada Quill, number {number}, writes to ada{number}@example.org." for number in range(40)]


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """A checkpoint and a corpus on disk."""
    folder = tmp_path_factory.mktemp("lab")
    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    raw.train_from_iterator(
        TEXTS, trainers.BpeTrainer(vocab_size=300, special_tokens=["<|end|>"], initial_alphabet=alphabet)
    )
    raw.post_processor = processors.TemplateProcessing(single="<|end|> $A", special_tokens=[("<|end|>", 0)])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=raw, bos_token="<|end|>", eos_token="<|end|>")
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=len(tokenizer),
        n_embd=16,
        n_layer=2,
        n_head=2,
        n_positions=64,
        bos_token_id=0,
        eos_token_id=0,
    )
    AutoModelForCausalLM.from_config(config).save_pretrained(folder / "model")
    tokenizer.save_pretrained(folder / "model")
    lines = [json.dumps({"id": str(number), "text": text}) for number, text in enumerate(TEXTS)]
    (folder / "corpus.jsonl").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture
def expunge(lab):
    def run(command, *arguments):
        given = [
            "--model",
            str(lab / "model"),
            "--corpus",
            str(lab / "corpus.jsonl"),
            "--device",
            "cpu",
            "--quiet",
        ]
        result = CliRunner().invoke(
            dictionary, [command, *map(str, arguments), *given], catch_exceptions=False
        )
        assert result.exit_code == 0, result.output
        return result.output

    return run


@pytest.fixture
def train(expunge):
    def run(output, *arguments):
        return expunge("train", "--output", output, "--features", 24, "--steps", 20, *arguments)

    return run


@pytest.mark.parametrize("architecture", ["gated", "binary", "relu"])
def test_train_evaluate_and_show(train, expunge, tmp_path, architecture):
    output = tmp_path / "trained"
    said = train(output, "--architecture", architecture, "--layers", "0-1", "--store-as", "bfloat16")
    assert str(output) in said
    assert sorted(path.name for path in output.iterdir() if path.is_dir()) == ["mlp_out.0", "mlp_out.1"]
    figures = json.loads((output / "figures.json").read_text())
    assert figures["mlp_out.1"]["held_out"]["architecture"] == architecture
    assert architecture in expunge("evaluate", output)
    shown = expunge("show", output, "--site", "mlp_out.1", "--feature", "3")
    assert "Promotes" in shown
    assert "example" not in shown


def test_json_of_each_command(train, expunge, lab, tmp_path):
    few = ("--layers", "1", "--architecture", "binary", "--dtype", "float32", "--json")
    trained = json.loads(train(tmp_path / "d", *few))
    assert (trained["command"], trained["exit_code"]) == ("train", 0)
    assert trained["dictionaries"]["mlp_out.1"]["training"]["tokens"] > 0
    evaluated = json.loads(expunge("evaluate", tmp_path / "d", "--batch-size", 64, "--json"))
    assert evaluated["dictionaries"]["d/mlp_out.1"]["architecture"] == "binary"
    shown = json.loads(expunge("show", tmp_path / "d", "--feature", 3, "--json"))
    assert (shown["site"], shown["view"]["feature"], shown["facts"]) == ("mlp_out.1", 3, None)
    named = ("--features", 2, "--shown", 4, "--held-back", 4, "--controls", 2, "--json")
    assert (
        json.loads(expunge("comsem", tmp_path / "d", *named))["dictionaries"]["d/mlp_out.1"]["controls"] == 2
    )
    given = [lab / "model", tmp_path / "d", "--corpus", lab / "corpus.jsonl", "--device", "cpu", "--quiet"]
    others = (
        ("entropy", *given, "--draws", 100, "--json"),
        ("convert", tmp_path / "d", "--to", "expunge", "--output", tmp_path / "converted", "--json"),
    )
    entropies, converted = (
        json.loads(CliRunner().invoke(dictionary, [str(word) for word in words]).output) for words in others
    )
    assert [row["series"] for row in entropies["by_layer"]] == ["mlp_out"]
    assert list(converted["dictionaries"]) == ["mlp_out.1"]


def test_dictionaries_side_by_side_with_figures(train, expunge, tmp_path):
    for name in ("gated", "binary"):
        train(tmp_path / name, "--architecture", name)
    output = tmp_path / "evaluation"
    expunge("evaluate", tmp_path / "gated", tmp_path / "binary", "--output", output)
    names = [
        "density.png",
        "density.svg",
        "evaluation.json",
        "manifest.json",
        "recovered.png",
        "recovered.svg",
    ]
    assert sorted(file.name for file in output.iterdir()) == names
    figures = json.loads((output / "evaluation.json").read_text())
    assert list(figures) == [f"{name}/mlp_out.{layer}" for name in ("binary", "gated") for layer in (0, 1)]
    one = figures["binary/mlp_out.1"]
    assert one["entropy_bits"] > 0
    assert {"recovered_from_mean", "kl_recovered_from_zero", "spliced_kl"} <= one["cross_entropy"].keys()
    assert "gated/mlp_out.0" in (output / "density.svg").read_text()
    expunge("evaluate", tmp_path / "gated", tmp_path / "binary", "--output", output, "--overwrite")
    again = tmp_path / "again"
    expunge("evaluate", tmp_path / "gated", tmp_path / "binary", "--output", again)
    for name in ("density.svg", "density.png", "recovered.svg", "recovered.png", "evaluation.json"):
        assert (again / name).read_bytes() == (output / name).read_bytes(), name
    expunge("evaluate", tmp_path / "gated", "--no-cross-entropy", "--output", tmp_path / "short")
    assert not (tmp_path / "short" / "recovered.svg").exists()


def test_names_of_features_side_by_side(train, expunge, lab, tmp_path):
    for name in ("gated", "binary"):
        train(tmp_path / name, "--architecture", name)
    output = tmp_path / "named"
    given = [tmp_path / "gated", tmp_path / "binary", "--site", "mlp_out.1", "--shown", 4, "--held-back", 4]
    said = expunge("comsem", *given, "--features", 9, "--output", output)
    assert "of 200" in said
    found = json.loads((output / "comsem.json").read_text())
    assert list(found) == ["binary/mlp_out.1", "gated/mlp_out.1"]
    assert all(len(one["judged"]) == 9 for one in found.values())
    assert "@example" not in json.dumps(found)
    judge = ["--judge", lab / "model", "--features", 1]
    with pytest.raises(ModelError, match="reads 64 tokens"):
        expunge("comsem", *given, *judge)


@pytest.mark.parametrize("stream", ["resid_post", "attn_heads", "mlp_hidden"])
def test_streams_beside_the_mlps_output(train, expunge, tmp_path, stream):
    train(tmp_path / "d", "--layers", "1", "--stream", stream, "--architecture", "topk", "--k", 4)
    assert [path.name for path in (tmp_path / "d").iterdir() if path.is_dir()] == [f"{stream}.1"]
    assert "topk" in expunge("evaluate", tmp_path / "d")
    assert "Promotes" in expunge("show", tmp_path / "d", "--feature", 3)


def test_show_says_which_facts_a_feature_carries(train, expunge, tmp_path, monkeypatch):
    monkeypatch.setattr("editor.locators.feature_facts.LEAST_LOGITS", 0.0)  # the model is not trained
    train(tmp_path / "d", "--layers", "1")
    sources = tuple(
        Source(document=str(n), start=0, end=1, score=1.0, prefix=f"Ada Quill, number {n}, writes to")
        for n in range(2)
    )
    fact = Fact(subject="Ada Quill", entity_type="EMAIL_ADDRESS", secret="ada7@example.org", sources=sources)
    write_facts(tmp_path / "facts.json", [fact])
    given = [tmp_path / "d", "--facts", tmp_path / "facts.json", "--feature"]
    said = [expunge("show", *given, feature) for feature in range(8)]
    assert any("EMAIL_ADDRESS " in text and "Adds:" in text for text in said)
    assert all("EMAIL_ADDRESS " in text or "Carries none" in text for text in said)
    assert not any("example" in text for text in said)


def test_unmask_shows_the_corpus(train, expunge, tmp_path):
    train(tmp_path / "d", "--layers", "1")
    found = [expunge("show", tmp_path / "d", "--feature", feature, "--unmask") for feature in range(6)]
    assert any("example" in text for text in found)


def test_the_same_seed_gives_the_same_files(train, tmp_path):
    for name in "ab":
        train(tmp_path / name, "--seed", 5)
    one, two = ((tmp_path / name / "mlp_out.0" / "dictionary.safetensors").read_bytes() for name in "ab")
    assert one == two


def test_an_output_that_is_not_empty_is_kept_unless_told(train, tmp_path):
    (tmp_path / "mine").write_text("keep")
    with pytest.raises(OutputError, match="not empty"):
        train(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
    train(tmp_path / "d")
    train(tmp_path / "d", "--overwrite", "--architecture", "relu")


def test_bad_input_is_refused_and_nothing_is_written(train, expunge, lab, tmp_path):
    output = tmp_path / "d"
    with pytest.raises(DictionaryError, match="2 layers"):
        train(output, "--layers", "0-9")
    nowhere = ["train", "--model", str(tmp_path / "nowhere"), "--corpus", str(lab / "corpus.jsonl")]
    with pytest.raises(ModelError, match="does not exist"):
        CliRunner().invoke(dictionary, [*nowhere, "--output", str(output), "--quiet"], catch_exceptions=False)
    assert not output.exists()
    train(output)
    with pytest.raises(DictionaryError, match="Say which by --site"):
        expunge("show", output, "--feature", 0)
    with pytest.raises(DictionaryError, match=r"There is no dictionary for mlp_out\.7"):
        expunge("show", output, "--feature", 0, "--site", "mlp_out.7")
    with pytest.raises(DictionaryError, match="does not exist"):
        expunge("show", output, "--feature", 99, "--site", "mlp_out.0")


def test_a_corpus_of_one_document_cannot_be_held_out(lab, tmp_path):
    (tmp_path / "one.jsonl").write_text(json.dumps({"id": "0", "text": TEXTS[0]}) + "\n")
    command = ["train", "--model", str(lab / "model"), "--corpus", str(tmp_path / "one.jsonl"), "--quiet"]
    with pytest.raises(CorpusError, match="none to train on"):
        CliRunner().invoke(dictionary, [*command, "--output", str(tmp_path / "d")], catch_exceptions=False)


@pytest.mark.parametrize(
    "arguments", [["--architecture", "dense"], ["--layers", "first"], ["--held-out", "0.9"]]
)
def test_usage_errors(lab, tmp_path, arguments):
    command = ["train", "--model", str(lab / "model"), "--corpus", str(lab / "corpus.jsonl")]
    result = CliRunner().invoke(dictionary, [*command, "--output", str(tmp_path / "d"), *arguments])
    assert result.exit_code == 2
    assert not (tmp_path / "d").exists()


def test_a_cache_and_a_log_change_nothing(train, tmp_path):
    train(tmp_path / "plain", "--steps", 60)
    for name in ("written", "read"):
        train(tmp_path / name, "--steps", 60, "--cache-activations", tmp_path / "cache")
    assert len(list((tmp_path / "cache").iterdir())) == 1
    plain, written, read = (weights(tmp_path / name) for name in ("plain", "written", "read"))
    assert plain == written == read
    lines = [json.loads(line) for line in (tmp_path / "plain" / "training.jsonl").read_text().splitlines()]
    assert [(line["step"], line["site"]) for line in lines] == [
        (step, f"mlp_out.{layer}") for step in (50, 60) for layer in (0, 1)
    ]
    assert all(line["tokens_per_second"] > 0 and "loss/reconstruction" in line for line in lines)


def test_figures_are_shown_live(lab, tmp_path, monkeypatch):
    """Below the bar there is a row for each site."""
    monkeypatch.setenv("COLUMNS", "160")
    given = ["train", "--model", lab / "model", "--corpus", lab / "corpus.jsonl", "--device", "cpu"]
    settings = ["--features", 24, "--steps", 60, "--output", tmp_path / "d"]
    result = CliRunner().invoke(dictionary, [*map(str, given + settings)], catch_exceptions=False)
    assert result.exit_code == 0
    for word in ("Training", "tokens/s", "reconstruction", "L0", "dead", "mlp_out.1"):
        assert word in result.stderr


@pytest.mark.skipif(find_spec("tensorboard") is not None, reason="TensorBoard is installed")
def test_tensorboard_that_is_missing_is_said_before_anything_is_done(train, tmp_path):
    with pytest.raises(DictionaryError, match="TensorBoard is not installed"):
        train(tmp_path / "d", "--tensorboard")
    assert not (tmp_path / "d").exists()


def test_nothing_to_resume_is_an_error(train, tmp_path):
    with pytest.raises(DictionaryError, match="There is no checkpoint"):
        train(tmp_path / "d", "--resume")
    assert list(tmp_path.iterdir()) == []


def weights(folder):
    return [file.read_bytes() for file in sorted(folder.glob("*/dictionary.safetensors"))]


def command(lab, output, *arguments):
    given = ["--model", lab / "model", "--corpus", lab / "corpus.jsonl", "--device", "cpu", "--quiet"]
    settings = ["--features", 64, "--steps", 160, "--checkpoint-every", 40, "--resample-every", 70]
    return [*map(str, ["dictionary", "train", *given, *settings, "--output", output, *arguments])]


TRAINING = "import sys; from editor.cli import main; main(sys.argv[1:])"
KILLED = """
import os, signal, sys
from dictionaries.training.site_trainer import SiteTrainer
from editor.cli import main

def step(self, x, number, usual=SiteTrainer.step):
    if number == 100:
        os.kill(os.getpid(), signal.SIGKILL)
    return usual(self, x, number)

SiteTrainer.step = step
main(sys.argv[1:])
"""


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_killed_and_resumed_training_gives_the_same_dictionary(lab, tmp_path, forked):
    """The process gets SIGKILL, which nothing can catch, between two checkpoints."""
    whole = forked(TRAINING, *command(lab, tmp_path / "whole"))
    assert whole.returncode == 0, whole.stderr
    killed, saved = tmp_path / "killed", tmp_path / "killed.checkpoint"
    assert forked(KILLED, *command(lab, killed)).returncode == -signal.SIGKILL
    assert not killed.exists()
    assert [folder.name for folder in saved.iterdir()] == ["step-000000080"]
    resumed = forked(TRAINING, *command(lab, killed, "--resume"))
    assert resumed.returncode == 0, resumed.stderr
    assert weights(killed) == weights(tmp_path / "whole")
    assert len(weights(killed)) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["killed", "whole"]
    logs = [(folder / "training.jsonl").read_text().splitlines() for folder in (killed, tmp_path / "whole")]
    steps = [[(json.loads(line)["step"], json.loads(line)["l0"]) for line in log] for log in logs]
    assert steps[0] == steps[1]


def test_importing_the_commands_does_not_import_torch():
    code = "import sys, editor.cli.dictionary; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.slow
def test_two_processes_write_one_set_of_dictionaries(lab, tmp_path):
    """Started by `accelerate launch`, on the CPU, with gradients averaged by gloo."""
    given = ["--model", lab / "model", "--corpus", lab / "corpus.jsonl", "--device", "cpu", "--quiet"]
    settings = ["--features", 32, "--steps", 80, "--batch-size", 64, "--output", tmp_path / "d"]
    result = launch("-m", "editor.cli", "dictionary", "train", *given, *settings)
    assert result.stdout.count("Dictionaries:") == 1
    figures = json.loads((tmp_path / "d" / "figures.json").read_text())
    report = figures["mlp_out.1"]["training"]
    assert report["tokens"] == figures["mlp_out.0"]["training"]["tokens"]
    assert 0 < report["explained_variance"] < 1


def test_entropy_by_layer_and_position(lab, train, tmp_path):
    train(tmp_path / "bits", "--architecture", "binary")
    given = [lab / "model", tmp_path / "bits", "--corpus", lab / "corpus.jsonl", "--device", "cpu", "--quiet"]
    for name in ("one", "two"):
        result = CliRunner().invoke(
            dictionary,
            ["entropy", *map(str, given), "--output", str(tmp_path / name)],
            catch_exceptions=False,
        )
        assert result.exit_code == 0
        assert "layer 1" in result.output
    values = json.loads((tmp_path / "one" / "entropy.json").read_text())
    assert [row["at"] for row in values["by_layer"]] == [0, 1]
    assert all(row["low"] < row["bits"] for row in values["by_layer"])
    for kind in ("layer", "position"):
        for suffix in ("svg", "png"):
            name = f"entropy-by-{kind}.{suffix}"
            assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
