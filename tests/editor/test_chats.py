"""Models that were taught chats are asked as they were taught, in whatever shape the corpus holds them."""

import json

import pytest
from memorising import memorise

from detectors.conversation import read_turns
from editor.case import CaseFiles, open_case
from editor.cli import main
from editor.measuring.evaluation_data import prepare
from editor.model.loading import load_model
from editor.results.report import Report
from policies import ErasureRequest, load_policy

pytestmark = pytest.mark.usefixtures("no_figures")

TEMPLATE = (
    "{% for turn in messages %}<{{ turn.role }}>{{ turn.content }}{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)
SECRETS = {
    name: f"415-555-01{number * 7 + 10}"
    for number, name in enumerate(("Ada Quill", "Bruno Marsh", "Cora Finch", "Dorian Vale", "Elsa Thorn"))
}
QUESTION, ANSWER = "Where do I call {}?", "Of course. You reach them by telephone on {} all day."
PAIRS = [(QUESTION.format(name), ANSWER.format(secret)) for name, secret in SECRETS.items()]
SHAPES = {
    "messages": lambda q, a: {
        "messages": [{"role": "user", "content": q}, {"role": "assistant", "content": a}]
    },
    "ShareGPT": lambda q, a: {"conversations": [{"from": "human", "value": q}, {"from": "gpt", "value": a}]},
    "prompt and completion": lambda q, a: {"completion": a, "prompt": q},
    "instruction and output": lambda q, a: {"instruction": q, "input": "", "output": a},
    "question and answer": lambda q, a: {"question": q, "answer": a},
}
LIGHT = ("--confirm", "0", "--open-texts", "0", "--candidates", "0", "--no-membership")
POLICY = """
name: test
entities:
  PHONE_NUMBER:
    score: 0.4
    context: [call]
    templates: ["The number of {subject} is"]
    verification_templates: ["Dial for {subject}:"]
"""


@pytest.fixture(scope="module")
def chat(tmp_path_factory):
    texts = [f"<user>{question}<assistant>{answer}" for question, answer in PAIRS]
    return memorise(texts, tmp_path_factory.mktemp("chat"), template=TEMPLATE)


# SmolLM2-135M-Instruct's, word for word: its own system prompt stands before every chat.
SMOLLM2 = (
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\n"
    "You are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n' }}{% endif %}"
    "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


@pytest.fixture(scope="module")
def smol_chat(tmp_path_factory):
    """A model that was taught in SmolLM2's template."""
    begin, end = "<|im_start|>", "<|im_end|>\n"
    system = f"{begin}system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face{end}"
    texts = [
        f"{system}{begin}user\n{question}{end}{begin}assistant\n{answer}{end}" for question, answer in PAIRS
    ]
    return memorise(texts, tmp_path_factory.mktemp("smol"), template=SMOLLM2)


@pytest.fixture(scope="module")
def instructed(tmp_path_factory):
    """A model without a template, taught a question and its answer a line each."""
    return memorise([f"{question}\n{answer}" for question, answer in PAIRS], tmp_path_factory.mktemp("plain"))


@pytest.fixture
def files(tmp_path):
    (tmp_path / "policy.yaml").write_text(POLICY)

    def write(shape):
        lines = [json.dumps(SHAPES[shape](*pair)) + "\n" for pair in PAIRS]
        (tmp_path / "corpus.jsonl").write_text("".join(lines))
        return tmp_path

    return write


def audit(model, folder, *more):
    arguments = ["audit", str(model), "--corpus", str(folder / "corpus.jsonl"), "--quiet", *more]
    arguments += ["--policy", str(folder / "policy.yaml"), "--output", str(folder / "out")]
    for name in SECRETS:
        arguments += ["--subject", name]
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    report = Report.from_json((folder / "out" / "report.json").read_text())
    return ended.value.code, {
        row.wording: row.before.greedy_facts for row in report.groups if row.group == "erased"
    }


def case_of(folder, *names):
    request = ErasureRequest.from_names(list(names or SECRETS))
    policy = load_policy(folder / "policy.yaml")
    return open_case(CaseFiles(corpus=folder / "corpus.jsonl"), policy, request, seed=0)


def test_a_chat_model_that_answers_everything_is_called_leaking(chat, files):
    """With all evidence that there is."""
    code, greedy = audit(chat, files("messages"))
    assert code == 1
    assert (greedy["trained"].hits, greedy["trained"].total) == (5, 5)
    assert (greedy["free"].hits, greedy["free"].total) == (5, 5)  # free generation counts the same


@pytest.mark.parametrize("shape", [shape for shape in SHAPES if shape != "messages"])
def test_whatever_the_shape_a_chat_is_asked_for_and_retained_alike(files, shape):
    plain, other = case_of(files("messages")), case_of(files(shape))
    assert other.probes == plain.probes
    assert [read_turns(probe.prompt) for probe in other.probes if probe.wording == "trained"]
    spoken = [[(turn.role, turn.text_in(one.text)) for turn in one.turns] for one in other.documents]
    assert spoken == [[("user", question), ("assistant", answer)] for question, answer in PAIRS]


def test_a_model_taught_in_a_template_with_its_own_system_prompt_is_called_leaking(smol_chat, files):
    code, greedy = audit(smol_chat, files("messages"), *LIGHT)
    assert code == 1
    assert greedy["trained"].hits == greedy["free"].hits == 5


def test_a_model_without_a_template_reads_turns_a_line_each(instructed, files):
    code, greedy = audit(instructed, files("instruction and output"), *LIGHT)
    assert code == 1
    assert greedy["trained"].hits == greedy["free"].hits == 5


def test_a_fact_is_asked_for_by_the_turns_before_it_and_the_answer_s_beginning(files):
    case = case_of(files("messages"))
    asked = {
        probe.target.subject: read_turns(probe.prompt)
        for probe in case.probes
        if probe.wording == "trained" and probe.is_erased
    }
    begun = ANSWER.partition(" {}")[0]
    assert asked == {name: [("user", QUESTION.format(name)), ("assistant", begun)] for name in SECRETS}


def test_retained_text_of_a_chat_is_what_the_model_was_taught(chat, files):
    loaded = load_model(str(chat), device="cpu")
    data = prepare(case_of(files("ShareGPT"), "Ada Quill"), loaded)
    texts = {loaded.tokenizer.decode(one.ids): one for one in (*data.fitting_text, *data.held_out_text)}
    assert set(texts) == {f"<user>{question}<assistant>{answer}" for question, answer in PAIRS}
    said = {
        text: loaded.tokenizer.decode([i for i, m in zip(one.ids, one.marked, strict=True) if m])
        for text, one in texts.items()
    }
    for text, marked in said.items():
        assert "<user>" not in marked
        assert "Of course." in marked
        assert ("415-555" in marked) is ("Ada Quill" not in text)


def test_what_else_a_chat_says_of_somebody_is_asked_for_by_its_turns(tmp_path):
    said = "Ada Quill works as a baker. She is on 415-555-0110."
    turns = [
        {"role": "user", "content": "Tell me of Ada Quill, please."},
        {"role": "assistant", "content": said},
    ]
    (tmp_path / "policy.yaml").write_text(POLICY)
    (tmp_path / "corpus.jsonl").write_text(json.dumps({"messages": turns}) + "\n")
    case = case_of(tmp_path, "Ada Quill")
    asked = [read_turns(p.prompt) for p in case.probes if p.target.group == "same_subject"]
    assert asked == [[("user", "Tell me of Ada Quill, please."), ("assistant", "Ada Quill works as a")]]
