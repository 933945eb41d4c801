"""The policy's choice of a named entity model, and of countries."""

import json
import shutil
import subprocess
import sys

import pytest

from detectors import Document, Register, detect_facts
from detectors.engine import Engine
from policies import Policy
from policies.entities import COUNTRIES, KNOWN_ENTITIES, entities_of
from policies.errors import PolicyError
from policies.reading import build

TEXT = "Bo lives in Rivermouth, phone 415-555-0132."
TYPES = ("PERSON", "LOCATION", "PHONE_NUMBER")


def policy_of(ner="auto", types=TYPES, **keys):
    data = {"name": "test", "entities": dict.fromkeys(types), "ner": ner, **keys}
    return build(Policy, data, "test", "policy")


def found(engine, text=TEXT):
    return [(span.entity_type, text[span.start : span.end]) for span in engine.scan(text).spans]


@pytest.fixture(scope="module")
def spacy_folder(tmp_path_factory):
    import spacy

    pipeline = spacy.blank("en")
    pipeline.add_pipe("entity_ruler").add_patterns(
        [{"label": "GPE", "pattern": "Rivermouth"}, {"label": "PERSON", "pattern": "Bo"}]
    )
    folder = tmp_path_factory.mktemp("spacy")
    pipeline.to_disk(folder)
    return folder


@pytest.fixture(scope="module")
def huggingface_folder(tmp_path_factory):
    """A model that calls every word beginning with a capital letter a person, and the others nothing."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import BertConfig, BertForTokenClassification, PreTrainedTokenizerFast

    words = ["[UNK]", "[PAD]", "Bo", "Rivermouth"]
    tokenizer = Tokenizer(models.WordLevel(dict(zip(words, range(4), strict=True)), unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    labels = {0: "O", 1: "B-PER", 2: "B-LOC"}
    config = BertConfig(
        vocab_size=4, hidden_size=4, num_hidden_layers=1, num_attention_heads=1, intermediate_size=4
    )
    config.id2label, config.label2id = labels, {name: number for number, name in labels.items()}
    model = BertForTokenClassification(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        model.bert.embeddings.word_embeddings.weight[2] = torch.tensor([3.0, -1.0, -1.0, -1.0])
        model.bert.embeddings.word_embeddings.weight[3] = torch.tensor([-1.0, 3.0, -1.0, -1.0])
        for layer in model.modules():
            if isinstance(layer, torch.nn.LayerNorm):
                layer.weight.fill_(1)
        model.classifier.bias.copy_(torch.tensor([4.0, 0.0, 0.0]))
        model.classifier.weight[1, 0] = model.classifier.weight[2, 1] = 10
    folder = tmp_path_factory.mktemp("huggingface")
    model.save_pretrained(folder)
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="[UNK]", pad_token="[PAD]", model_max_length=512
    ).save_pretrained(folder)
    return folder


def test_none_finds_no_names():
    engine = Engine(policy_of("none"), Register())
    assert engine.model is None
    assert found(engine) == [("PHONE_NUMBER", "415-555-0132")]


def test_a_spacy_model_by_its_folder(spacy_folder):
    engine = Engine(policy_of(f"spacy:{spacy_folder}"), Register())
    assert engine.model.startswith("spaCy en_")
    assert found(engine) == [
        ("PERSON", "Bo"),
        ("LOCATION", "Rivermouth"),
        ("PHONE_NUMBER", "415-555-0132"),
    ]


def test_auto_takes_an_installed_model_of_the_language(spacy_folder, monkeypatch):
    import spacy

    load = spacy.load
    monkeypatch.setattr(spacy.util, "get_installed_models", lambda: ["de_small", "en_small", "en_big"])
    asked = []
    monkeypatch.setattr(spacy, "load", lambda name: asked.append(name) or load(spacy_folder))
    assert ("PERSON", "Bo") in found(Engine(policy_of("auto"), Register()))
    assert asked == ["en_big"]
    assert Engine(policy_of("auto", language="fr"), Register()).model is None

    def damaged(_name):
        raise OSError

    monkeypatch.setattr(spacy, "load", damaged)
    with pytest.raises(PolicyError, match="en_big cannot be loaded"):
        Engine(policy_of("auto"), Register())


def test_a_hugging_face_model_by_its_folder(huggingface_folder):
    engine = Engine(policy_of(f"huggingface:{huggingface_folder}"), Register())
    assert engine.model == f"Hugging Face {huggingface_folder.name}"
    assert found(engine) == [
        ("PERSON", "Bo"),
        ("LOCATION", "Rivermouth"),
        ("PHONE_NUMBER", "415-555-0132"),
    ]
    assert engine.coverage["LOCATION"] == ("HuggingFaceNerRecognizer",)
    only_places = Engine(policy_of(f"huggingface:{huggingface_folder}", types=("LOCATION",)), Register())
    assert found(only_places) == [("LOCATION", "Rivermouth")]


def test_code_of_a_models_own_is_refused_and_nobody_is_asked(huggingface_folder, tmp_path, monkeypatch):
    def fail(*_):
        raise AssertionError("a question was asked")

    monkeypatch.setattr("builtins.input", fail)
    folder = tmp_path / "own"
    shutil.copytree(huggingface_folder, folder)
    names = {"AutoConfig": "own.OwnConfig", "AutoModelForTokenClassification": "own.Own"}
    config = json.loads((folder / "config.json").read_text()) | {"model_type": "own", "auto_map": names}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    with pytest.raises(PolicyError, match="needs Python code that comes with it"):
        Engine(policy_of(f"huggingface:{folder}"), Register())
    assert not (tmp_path / "ran").exists()


def test_a_model_that_fails_on_a_text_is_reported(huggingface_folder, monkeypatch, caplog):
    from detectors.presidio.huggingface import LocalHuggingFaceRecognizer

    recognizer = LocalHuggingFaceRecognizer(str(huggingface_folder), "en", ["PERSON"])

    def fail(_text):
        raise ValueError("Ada Quill")

    monkeypatch.setattr(recognizer, "_model", fail)
    with pytest.raises(RuntimeError) as caught:
        recognizer.analyze("Ada Quill", ["PERSON"])
    assert "Quill" not in str(caught.value)
    assert "Quill" not in caplog.text


@pytest.mark.parametrize(
    ("ner", "problem"),
    [
        ("spacy:en_no_such_model", "spaCy has no model"),
        ("huggingface:/no/such/folder", "no model folder"),
    ],
)
def test_a_model_that_is_not_there(ner, problem):
    with pytest.raises(PolicyError, match=problem):
        Engine(policy_of(ner), Register())


def test_a_folder_without_a_model(tmp_path):
    with pytest.raises(PolicyError, match="cannot be loaded for token classification"):
        Engine(policy_of(f"huggingface:{tmp_path}"), Register())


def test_a_model_of_another_language(spacy_folder):
    with pytest.raises(PolicyError, match="language en, the policy for de"):
        Engine(policy_of(f"spacy:{spacy_folder}", language="de"), Register())


@pytest.mark.parametrize("ner", ["", "spacy", "spacy:", "bert", None, 3])
def test_other_choices_are_refused(ner):
    with pytest.raises(PolicyError, match="`ner`"):
        policy_of(ner)


def test_countries_add_their_entity_types():
    policy = policy_of(types=("PHONE_NUMBER", "UK_NINO"), countries=["uk", "pl"])
    assert set(policy.entities) == {"PHONE_NUMBER", "PL_PESEL", *entities_of("uk")}
    rule = policy_of(types=(), entities={"UK_NINO": {"score": 0.9}}, countries=["uk"]).entities["UK_NINO"]
    assert rule.score == 0.9, "a rule of the policy stays"
    again = build(Policy, policy.model_dump(mode="json"), "again", "policy")
    assert again.digest == policy.digest
    text = "Her PESEL is 44051401359."
    assert found(Engine(policy, Register()), text) == [("PL_PESEL", "44051401359")]


def test_an_unknown_country_is_refused():
    for countries in (["uk", "ZZ"], ["UK"], [3]):
        with pytest.raises(PolicyError, match=r"countries.*au, ca, de"):
            policy_of(countries=countries)


def test_countries_are_the_prefixes_of_the_table():
    prefixes = {name.split("_")[0].lower() for name in KNOWN_ENTITIES if name[2:3] == "_"} - {"ip"}
    assert prefixes == set(COUNTRIES)


def test_the_register_is_there_whatever_the_model(huggingface_folder):
    document = Document(id="1", text="Bo met Ada Quill, phone 415-555-0132.", subjects=("Ada Quill",))
    for ner in ("none", f"huggingface:{huggingface_folder}"):
        facts = detect_facts([document], policy_of(ner)).facts
        assert ("PHONE_NUMBER", "Ada Quill") in {(fact.entity_type, fact.subject) for fact in facts}


def test_torch_is_not_imported_where_no_model_needs_it():
    """A Hugging Face model after that is what the other tests load: they import Presidio without torch first."""
    program = (
        "import sys; from detectors import Register; from detectors.engine import Engine; from policies import Policy;"
        "Engine(Policy(name='x', entities={'PERSON': {}}, ner='none'), Register());"
        "assert 'presidio_analyzer' in sys.modules; assert not {'torch', 'transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
