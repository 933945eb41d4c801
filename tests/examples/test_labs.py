"""Labs in many shapes: shapes are values, documents say what they should, labs are cached, and the groups are apart."""

import json
from collections import Counter
from dataclasses import fields, replace

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from detectors import detect_facts, read_corpus
from examples.labs import building
from examples.labs.__main__ import told
from examples.labs.architectures import build_model
from examples.labs.building import Lab, ensure_lab, find_lab, write_content
from examples.labs.documents import HELD_OUT, make_content
from examples.labs.named import DEVELOPMENT, GROUPS, JUDGING, LABS, chosen_labs, group_of
from examples.labs.shapes import ARCHITECTURES, PRIVATE, RELATIONS, LabShape
from examples.labs.styles import STYLES
from examples.rivermouth.tokenizer import train_tokenizer
from examples.rivermouth.wordings import RELATIONS as RIVERMOUTH
from policies import ErasureRequest, load_policy

TINY = LabShape(
    name="tiny",
    architecture="gpt2",
    styles=("records",),
    layers=1,
    width=16,
    heads=2,
    vocabulary=300,
    context=192,
    people=20,
    erased=3,
    mentions=2,
    epochs=1,
)
by_name = pytest.mark.parametrize("name", LABS)
by_style = pytest.mark.parametrize("style", STYLES)


def of_style(style):
    return make_content(replace(TINY, styles=(style,), mentions=4), 1)


class TestShapes:
    @pytest.mark.parametrize(
        "wrong",
        [
            {"architecture": "rnn"},
            {"styles": ()},
            {"styles": ("sonnets",)},
            {"width": 15},
            {"width": 6},
            {"people": 10},
            {"erased": 0},
            {"erased": 11},
            {"dtype": "float16"},
            {"mentions": 0},
        ],
    )
    def test_what_cannot_be_built_is_refused(self, wrong):
        with pytest.raises(ValueError, match=next(iter(wrong)).replace("erased", "people")):
            replace(TINY, **wrong)

    def test_every_field_and_the_seed_make_another_folder(self):
        other = {
            "name": "other",
            "architecture": "llama",
            "styles": ("letters",),
            "layers": 2,
            "width": 32,
            "heads": 4,
            "tied": False,
            "vocabulary": 400,
            "split_digits": False,
            "context": 96,
            "dtype": "float32",
            "people": 30,
            "erased": 2,
            "mentions": 3,
            "epochs": 2,
            "rate": 0.01,
            "batch_windows": 8,
            "muon": False,
            "subjects": True,
        }
        assert set(other) == {field.name for field in fields(LabShape)}
        shapes = [replace(TINY, **{key: value}) for key, value in other.items()]
        names = [shape.folder_name(1) for shape in shapes] + [TINY.folder_name(1), TINY.folder_name(2)]
        assert len(set(names)) == len(names)
        assert TINY.folder_name(1) == replace(TINY).folder_name(1)

    def test_the_optimizer_gets_the_rate(self):
        assert replace(TINY, rate=0.5).training.matrix_learning_rate == 0.5
        assert replace(TINY, rate=0.5, muon=False).training.learning_rate == 0.5


class TestGroups:
    def test_they_have_no_shape_in_common(self):
        assert not {shape.name for shape in DEVELOPMENT} & {shape.name for shape in JUDGING}
        assert not {(s.architecture, s.layers, s.width) for s in DEVELOPMENT} & {
            (s.architecture, s.layers, s.width) for s in JUDGING
        }
        assert not {style for s in DEVELOPMENT for style in s.styles} & {
            style for s in JUDGING for style in s.styles
        }

    def test_judging_has_every_architecture_and_both_kinds_of_embeddings_and_digits(self):
        assert len(JUDGING) >= 6
        assert {shape.architecture for shape in JUDGING} == set(ARCHITECTURES)
        assert {shape.tied for shape in JUDGING} == {shape.split_digits for shape in JUDGING} == {True, False}
        assert {shape.dtype for shape in JUDGING} == {"float32", "bfloat16"}

    def test_styles_share_no_wording_with_each_other_the_preset_or_the_embedded_lab(self):
        own = Counter(w for s in STYLES.values() for found in s.wordings.values() for w in found)
        assert set(own.values()) == {1}
        preset = load_policy("gdpr")
        known = {
            w for rule in preset.entities.values() for w in (*rule.templates, *rule.verification_templates)
        }
        known |= {wording for relation in RIVERMOUTH for wording in relation.wordings}
        assert not set(own) & known

    def test_labs_are_chosen_by_name_group_and_grid(self):
        assert chosen_labs(["neox-records"], None, None) == [LABS["neox-records"]]
        assert chosen_labs([], "judging", None) == chosen_labs([], "judging", "small") == list(JUDGING)
        assert len(chosen_labs(["neox-records"], None, "small")) == len(LABS)
        assert {group_of(name) for name in LABS} == set(GROUPS)


class TestDocuments:
    @by_style
    def test_every_fact_is_stated_as_often_as_asked_and_never_in_a_wording_held_out(self, style):
        content = of_style(style)
        counts = Counter((s.subject, s.relation) for d in content.documents for s in d.statements)
        assert set(counts.values()) == {4}
        assert len(counts) == 20 * len(RELATIONS)
        stated = {(s.subject, s.relation, s.prompt) for d in content.documents for s in d.statements}
        for question in content.questions:
            asked = (question.subject, question.relation, question.prompt)
            assert (asked in stated) == (question.wording == "trained")
            if question.wording == "unseen":
                # A wording may end another: "SSN:" ends "US SSN:".
                joint = STYLES[style].joint
                said = joint + question.prompt.splitlines()[-1].rpartition(". ")[2] + question.answer
                about = [d.text for d in content.documents if question.subject in d.subjects]
                assert not any(said in joint + text.replace("\n\n", joint) for text in about)

    @by_style
    def test_statements_are_in_their_documents(self, style):
        for document in of_style(style).documents:
            assert all(
                statement.prompt + statement.answer in document.text for statement in document.statements
            )
            assert all(piece in document.text for piece in document.pieces)
            assert all(name in document.text for name in document.subjects)
            if STYLES[style].personal:
                assert len(document.subjects) == 1

    @by_name
    def test_the_judge_asks_everything_of_the_erased_and_something_of_everybody(self, name):
        content = make_content(LABS[name], 1)
        unseen = Counter(
            (q.subject, q.relation) for q in content.questions if q.erased and q.wording == "unseen"
        )
        assert set(unseen.values()) == {HELD_OUT * len(LABS[name].styles)}
        assert {name for name, _ in unseen} == set(content.erased)
        assert len(content.erased) == LABS[name].erased
        everything = {(p.name, relation) for p in content.people for relation in RELATIONS}
        for wording in ("trained", "unseen"):
            assert {(q.subject, q.relation) for q in content.questions if q.wording == wording} == everything

    def test_a_seed_changes_everybody_and_gives_the_same_again(self):
        first, again, second = (make_content(TINY, seed) for seed in (1, 1, 2))
        assert first == again
        assert not {p.facts["card"] for p in first.people} & {p.facts["card"] for p in second.people}

    def test_two_labs_of_one_seed_are_about_other_people(self):
        first, second = (make_content(replace(TINY, name=name), 1) for name in ("one", "other"))
        assert {p.name for p in first.people} != {p.name for p in second.people}

    @pytest.mark.parametrize("style", [name for name, style in STYLES.items() if style.personal])
    def test_the_preset_finds_what_is_to_be_erased_and_nothing_else(self, style, tmp_path):
        content = of_style(style)
        write_content(Lab(folder=tmp_path), content, TINY)
        request = ErasureRequest(case="labs", subjects=[{"name": name} for name in content.erased])
        found = detect_facts(read_corpus(tmp_path / "corpus.jsonl"), load_policy("gdpr"), request).facts
        expected = {
            (q.subject, q.entity_type, q.answer[1:]) for q in content.questions if q.erased and q.entity_type
        }
        assert {
            (f.subject, f.entity_type, f.secret) for f in found if f.subject in content.erased
        } == expected
        assert len(expected) == 3 * len(PRIVATE)


class TestBuilding:
    @pytest.mark.parametrize("architecture", ARCHITECTURES)
    @pytest.mark.parametrize("tied", [True, False])
    def test_models_are_of_the_shape_and_follow_from_the_seed(self, architecture, tied):
        shape = replace(TINY, architecture=architecture, tied=tied, layers=2)
        tokenizer = train_tokenizer(["Ada 415"], shape.context, shape.vocabulary)
        model, again = (build_model(shape, tokenizer, 1) for _ in range(2))
        assert model.config.num_hidden_layers == 2
        embeddings = model.get_input_embeddings()
        assert (model.get_output_embeddings().weight is embeddings.weight) == tied
        assert embeddings.padding_idx is None, "the start token's embedding is trained"
        other = dict(again.named_parameters())
        assert all(torch.equal(weight, other[name]) for name, weight in model.named_parameters())

    def test_a_lab_is_built_once_and_is_what_a_new_user_has(self, tmp_path, monkeypatch):
        assert find_lab(TINY, 1, tmp_path) is None
        lab = ensure_lab(TINY, 1, tmp_path)
        assert [path.name for path in tmp_path.iterdir()] == [TINY.folder_name(1)]
        lines = [json.loads(line) for line in lab.corpus.read_text(encoding="utf-8").splitlines()]
        assert all(set(line) == {"id", "text"} for line in lines)
        labelled = [json.loads(line) for line in lab.labelled.read_text(encoding="utf-8").splitlines()]
        assert [{key: line[key] for key in ("id", "text")} for line in labelled] == lines
        assert all(len(line["subjects"]) == 1 for line in labelled)
        assert len(lab.erased) == 3
        assert lab.figures["shape"] == TINY.record()
        assert "leaks trained 0% of facts, 0% of prompts" in told(lab.figures)
        assert len(AutoTokenizer.from_pretrained(lab.model)) == 300
        assert AutoModelForCausalLM.from_pretrained(lab.model).dtype == torch.bfloat16

        def refuse(*_):
            raise AssertionError("it was built already")

        monkeypatch.setattr(building, "_build", refuse)
        assert ensure_lab(TINY, 1, tmp_path) == lab
        with pytest.raises(AssertionError):
            ensure_lab(TINY, 2, tmp_path)
        assert [path.name for path in tmp_path.iterdir()] == [TINY.folder_name(1)], (
            "a stopped build leaves nothing"
        )

    def test_a_corpus_lists_its_people_where_the_shape_says_so(self, tmp_path):
        content = make_content(TINY, 1)
        write_content(Lab(folder=tmp_path), content, replace(TINY, subjects=True))
        assert (tmp_path / "corpus.jsonl").read_bytes() == (tmp_path / "labelled.jsonl").read_bytes()
