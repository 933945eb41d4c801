"""The independent judge: what it says of models whose answers are known, and the table of what it says."""

import json
import math
import sys
from dataclasses import replace

import pytest
import torch

from examples.labs import __main__ as program
from examples.labs import building, erasing, judge
from examples.labs.__main__ import main
from examples.labs.architectures import build_model
from examples.labs.building import Lab
from examples.labs.documents import Question
from examples.labs.erasing import Options, Outcome, command_of, erase_and_judge
from examples.labs.judge import Checkpoint, Judgement
from examples.labs.named import LABS
from examples.labs.shapes import LabShape
from examples.labs.table import COLUMNS, markdown, misses, read_table, write_table
from examples.rivermouth.tokenizer import train_tokenizer
from examples.rivermouth.training import Packer, Training, fit

SHAPE = LabShape(
    name="toy", architecture="gpt2", styles=("notes",), layers=1, width=32, heads=2, people=20, context=64
)
KNOWN = ("Ring Ada Quill on", " 415-555-0132")
TEXT = KNOWN[0] + KNOWN[1] + "."


def question(prompt, answer, **changes):
    return Question(
        **(
            {
                "subject": "Ada Quill",
                "relation": "phone",
                "entity_type": "PHONE_NUMBER",
                "erased": True,
                "wording": "trained",
                "prompt": prompt,
                "answer": answer,
            }
            | changes
        )
    )


@pytest.fixture(scope="module")
def tokenizer():
    made = train_tokenizer([TEXT, "Mail for Cora Finch is at Dover."], 64, 300)
    made.padding_side = "right"
    return made


def model_of(tokenizer):
    return build_model(SHAPE, tokenizer, 1).eval()


@pytest.fixture(scope="module")
def ignorant(tokenizer):
    return Checkpoint(model=model_of(tokenizer), tokenizer=tokenizer)


@pytest.fixture(scope="module")
def knowing(tokenizer):
    """A model that learned one sentence by heart in sixty steps."""
    model = model_of(tokenizer)
    packer = Packer([TEXT], tokenizer, 64, fresh_share=1.0)
    training = Training(width=32, heads=2, learning_rate=0.01)
    fit(model, list(packer.batches(60, 1, 0)), training)
    return Checkpoint(model=model, tokenizer=tokenizer)


QUESTIONS = [
    question(*KNOWN),
    question("Write to Ada Quill, who is at home in Dover, at", " a@b.example", relation="email"),
    question("Ring Ada Quill", " on 415-555-0132"),
]


def test_greedy_answers_are_what_generation_gives(knowing):
    verdicts = judge.answered(knowing, QUESTIONS)
    for asked, verdict in zip(QUESTIONS, verdicts, strict=True):
        ids = knowing.tokenizer(asked.prompt, return_tensors="pt")["input_ids"]
        generated = knowing.model.generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=24, do_sample=False, pad_token_id=0
        )
        text = knowing.tokenizer.decode(generated[0, ids.shape[1] :])
        assert text.startswith(asked.answer) == verdict
    assert verdicts == [True, False, True]


def test_samples_show_what_is_known_and_only_that(knowing, ignorant):
    assert judge.sampled(knowing, QUESTIONS) == 0.5, "one of two facts"
    assert judge.sampled(ignorant, QUESTIONS) == 0.0


def test_perplexity_is_the_exponential_of_the_mean_loss(ignorant):
    ids = ignorant.tokenizer(TEXT, return_tensors="pt")["input_ids"]
    with torch.no_grad():
        loss = float(ignorant.model(input_ids=ids, labels=ids).loss)
    assert judge.perplexity(ignorant, [TEXT, TEXT]) == pytest.approx(math.exp(loss), rel=1e-5)


def test_the_change_is_of_the_weights_that_changed(tokenizer, ignorant):
    after = model_of(tokenizer)
    assert judge.weight_change(ignorant.model, after) == (0.0, 0.0, 0)
    weight = after.transformer.h[0].mlp.c_proj.weight
    with torch.no_grad():
        size = float(weight.norm())
        weight[0, 0] += 3.0
    change, relative, changed = judge.weight_change(ignorant.model, after)
    assert (change, changed) == (pytest.approx(3.0, rel=1e-5), 1)
    assert relative == pytest.approx(3.0 / size, rel=1e-5)


def test_other_parameters_are_refused(tokenizer, ignorant):
    other = build_model(replace(SHAPE, layers=2), tokenizer, 1)
    with pytest.raises(ValueError, match="different parameters"):
        judge.weight_change(ignorant.model, other)


def test_an_erasure_that_forgets_everything_leaks_nothing_and_keeps_nothing(knowing, ignorant):
    questions = [
        *QUESTIONS,
        question(*KNOWN, wording="unseen"),
        question(*KNOWN, erased=False),
        question(*KNOWN, erased=False, entity_type=None),
        question(*KNOWN, entity_type=None, relation="occupation"),
    ]
    same = judge.judge(knowing, knowing, questions, [TEXT])
    assert (same.leaked_before, same.leaked) == (0.5, 0.5), "a fact leaks if any wording does"
    assert same.leaked_unseen == 1.0
    assert (same.others_kept, same.others_public_kept, same.same_people_kept) == (1.0, 1.0, 1.0)
    assert (same.perplexity_rise, same.change, same.changed) == (0.0, 0.0, 0)
    gone = judge.judge(knowing, ignorant, questions, [TEXT])
    assert (gone.leaked_before, gone.leaked, gone.leaked_unseen, gone.sampled) == (0.5, 0.0, 0.0, 0.0)
    assert (gone.others_kept, gone.others_public_kept, gone.same_people_kept) == (0.0, 0.0, 0.0)
    assert gone.perplexity_rise > 1
    assert gone.relative_change > 0


def test_what_was_not_known_before_cannot_be_lost(ignorant, knowing):
    unknown = [question(*KNOWN, erased=False)]
    assert judge.judge(ignorant, knowing, unknown, [TEXT]).others_kept == 1.0


def test_texts_name_none_of_the_erased(tmp_path):
    texts = [f"Ada Quill, {number}" if number % 2 else f"Cora Finch, {number}" for number in range(50)]
    corpus = tmp_path / "corpus.jsonl"
    corpus.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf-8")
    chosen = judge.read_texts(corpus, ["Ada Quill"], most=10)
    assert 5 <= len(chosen) <= 10
    assert all(text.startswith("Cora Finch") for text in chosen)


JUDGEMENT = Judgement(
    leaked_before=1.0,
    leaked=0.0,
    leaked_unseen_before=0.96,
    leaked_unseen=0.0004,
    sampled_before=1.0,
    sampled=0.04,
    others_kept=0.9999,
    others_public_kept=1.0,
    same_people_kept=0.985,
    perplexity_before=1.6,
    perplexity_rise=0.0083,
    change=1.234,
    relative_change=0.0456,
    changed=4,
)
OUTCOME = Outcome(lab="toy", seed=1, group="development", verdict="met", minutes=3.21, judgement=JUDGEMENT)
FAILED = Outcome(lab="toy", seed=2, group="development", verdict="failed (2)", minutes=0.1, judgement=None)


@pytest.mark.parametrize(
    ("changes", "missed"),
    [
        ({}, []),
        ({"leaked": 0.04}, ["leaked, trained"]),
        ({"others_kept": 0.9899}, ["others' secrets"]),
        ({"others_public_kept": 0.9899}, ["others' public facts"]),
        ({"perplexity_rise": 0.0101}, ["perplexity"]),
    ],
)
def test_what_an_erasure_misses_is_named(changes, missed):
    met = {"leaked": 0.0, "leaked_unseen": 0.0, "sampled": 0.0, "perplexity_rise": 0.01}
    kept = dict.fromkeys(("others_kept", "others_public_kept", "same_people_kept"), 0.99)
    assert misses(replace(JUDGEMENT, **(met | kept | changes))) == missed


def test_the_table_has_a_row_each_and_never_rounds_almost_to_all(tmp_path):
    *lines, blank, last = markdown([OUTCOME, FAILED]).splitlines()
    rows = [[cell.strip() for cell in line.strip("|\n ").split("|")] for line in lines]
    assert (blank, last) == ("", "0 of 2 miss nothing; 1 of 2 say themselves that the policy is met.")
    assert len(rows) == 4
    assert all(len(row) == len(COLUMNS) for row in rows)
    assert rows[2][4:7] == ["100% → 0%", "96.0% → 0.1%", "100% → 4.0%"]
    assert rows[2][7:] == ["99.9%", "100%", "98.5%", "+0.83%", "1.23", "0.0456", "3.2", rows[2][-1]]
    assert rows[2][-1] == "leaked, unseen, in 20 samples, same people"
    assert rows[3][-1] == "everything"
    assert rows[3][3:5] == ["failed (2)", "–"]
    write_table(tmp_path / "results", "all", [OUTCOME, FAILED])
    assert (tmp_path / "results" / "all.md").read_text(encoding="utf-8") == markdown([OUTCOME, FAILED])
    records = json.loads((tmp_path / "results" / "all.json").read_text(encoding="utf-8"))
    assert records[0]["judgement"] == JUDGEMENT.record()
    assert records[1]["judgement"] is None
    assert read_table(tmp_path / "results", "all") == [OUTCOME, FAILED]
    assert read_table(tmp_path / "results", "other") == []


def test_a_grid_that_was_stopped_goes_on_with_what_is_missing(lab, tmp_path, monkeypatch):
    shape = next(iter(LABS.values()))
    rows = [replace(OUTCOME, lab=shape.name, seed=1), replace(FAILED, lab=shape.name, seed=2)]
    name = f"{shape.name}-default"
    monkeypatch.setattr("examples.labs.building.FOLDER", tmp_path)
    write_table(tmp_path / "results", name, rows)
    erased = []

    def erase(_lab, _output, _options, *, name, seed, group):
        erased.append(seed)
        return replace(OUTCOME, lab=name, seed=seed, group=group)

    monkeypatch.setattr("examples.labs.building.ensure_apart", lambda *_: lab)
    monkeypatch.setattr("examples.labs.erasing.erase_and_judge", erase)
    seeds = ["--seed", "1", "--seed", "2", "--seed", "3"]
    assert main(["--lab", shape.name, *seeds, "--resume"]) == 0
    assert sorted(erased) == [2, 3]  # what wrote no checkpoint is tried again
    table = read_table(tmp_path / "results", name)
    assert [(row.seed, row.verdict) for row in table] == [(1, "met"), (2, "met"), (3, "met")]
    assert main(["--lab", shape.name, "--seed", "1"]) == 0
    assert sorted(erased) == [1, 2, 3]


@pytest.fixture
def lab(tmp_path):
    folder = tmp_path / "toy-0123456789"
    folder.mkdir()
    (folder / "erased.json").write_text('["Ada Quill", "Cora Finch"]', encoding="utf-8")
    return Lab(folder=folder)


def test_an_erasure_is_told_what_a_new_user_knows(lab, tmp_path):
    command = command_of(lab, tmp_path / "out", Options())
    assert command[3:] == [
        *("erase", str(lab.model), "--corpus", str(lab.corpus), "--policy", "gdpr"),
        *("--output", str(tmp_path / "out"), "--overwrite", "--quiet"),
        *("--subject", "Ada Quill", "--subject", "Cora Finch"),
    ]
    chosen = command_of(lab, tmp_path / "out", Options(method="memit", trials=3, labelled=True))
    assert chosen[-4:] == ["--method", "memit", "--trials", "3"]
    assert str(lab.labelled) in chosen
    assert not any("judge" in argument for argument in [*command, *chosen])
    assert Options(method="memit", trials=3, labelled=True).title == "memit-3-trials-labelled"


def test_an_erasure_that_writes_no_checkpoint_is_a_row_and_a_log(lab, tmp_path, monkeypatch):
    program_that_refuses = [sys.executable, "-c", "import sys; print('no model'); sys.exit(2)"]
    monkeypatch.setattr(erasing, "command_of", lambda *_: program_that_refuses)
    outcome = erase_and_judge(
        lab, tmp_path / "erasures" / "toy", Options(), name="toy", seed=1, group="judging"
    )
    assert (outcome.verdict, outcome.judgement) == ("failed (2)", None)
    assert (tmp_path / "erasures" / "toy.log").read_text(encoding="utf-8") == "no model\n"


def test_the_program_prints_one_table_and_keeps_it(lab, tmp_path, monkeypatch, capsys):
    asked = []

    def erase(found, output, options, **named):
        asked.append((found, output.name, options, named))
        return replace(OUTCOME, lab=named["name"], seed=named["seed"])

    monkeypatch.setattr(building, "FOLDER", tmp_path)
    monkeypatch.setattr(building, "ensure_apart", lambda *_: lab)
    monkeypatch.setattr(erasing, "erase_and_judge", erase)
    assert program.main(["--grid", "small", "--group", "development", "--seed", "1", "--seed", "2"]) == 0
    assert len(asked) == 6
    printed = capsys.readouterr().out
    assert len(printed.splitlines()) == 2 + 6 + 2
    assert (tmp_path / "results" / "small-development-default.md").read_text(encoding="utf-8") == printed
    monkeypatch.setattr(erasing, "erase_and_judge", lambda *_, **__: FAILED)
    assert program.main(["--lab", "neox-records"]) == 1


def test_the_program_lists_labs_and_wants_one(capsys):
    assert program.main(["--list"]) == 0
    assert "llama-sentences" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        program.main([])
