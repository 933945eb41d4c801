"""An edited model and the original, asked the same: how they answer, what is masked, where prompts come from."""

import io
import json
import sys

import pytest
from six_people import PEOPLE, write_case

import expunge
from editor.api.chat import Chat, mask_of
from editor.api.folder_requests import ChatRequest
from editor.cli import main
from editor.cli.options import masked_command
from editor.model.generation import answer, complete, end_tokens
from editor.questions.asking import ask_plainly
from policies.errors import CorpusError, ModelError, RequestError

PROMPT = "The phone number of Ada Quill is"
SAID = "It is 415-555-0110, says Ada Quill \x1b[2J to nora@example.org."


@pytest.fixture(scope="module")
def models(checkpoint):
    return {"edited": checkpoint("gpt2"), "against": checkpoint("llama"), "device": "cpu", "tokens": 12}


@pytest.fixture
def scripted(monkeypatch):
    """Both models answer the same few words, whatever they are asked, and none is loaded."""
    asked = []

    def begin(self, request):
        self._request, self._mask = request, (str if request.show_secrets else mask_of(request))
        self._original, self._edited = "original", "edited"

    def said(_, loaded, prompt):
        asked.append((loaded, prompt))
        return SAID

    monkeypatch.setattr(Chat, "__init__", begin)
    monkeypatch.setattr(Chat, "_answer", said)
    return asked


def test_both_are_asked_and_answer_as_greedy_decoding_does(models, loaded):
    (exchange,) = expunge.chat(**models, prompts=[PROMPT], show_secrets=True)
    assert exchange.prompt == PROMPT
    for family, said in (("gpt2", exchange.edited), ("llama", exchange.original)):
        model = loaded(family)
        tokens = complete(model, [model.tokenizer(PROMPT)["input_ids"]], 12)[0]
        ends = [place for place, token in enumerate(tokens) if token in end_tokens(model)]
        made = tokens[: ends[0] if ends else 12]
        assert said == model.tokenizer.decode(made, skip_special_tokens=True)
    assert exchange.differ is (exchange.edited != exchange.original)
    assert PROMPT not in repr(exchange)


def test_sampling_is_by_its_seed_alone(loaded):
    model = loaded("gpt2")
    asked = ask_plainly(model, PROMPT)
    hot = {"temperature": 3.0}
    first = answer(model, asked, 24, seed=1, **hot)
    assert answer(model, asked, 24, seed=1, **hot) == first
    assert any(answer(model, asked, 24, seed=seed, **hot) != first for seed in (2, 3, 4))
    assert answer(model, asked, 24, seed=1) == answer(model, asked, 24, seed=2)


def test_an_answer_ends_where_the_model_ends_it(loaded, monkeypatch):
    model = loaded("llama")
    asked = ask_plainly(model, PROMPT)
    monkeypatch.setattr("editor.model.generation.end_tokens", lambda _: [])
    whole = answer(model, asked, 12)
    assert len(whole) == 12
    monkeypatch.undo()
    last = whole[5]
    monkeypatch.setattr(model.model.generation_config, "eos_token_id", [last, 10**6])
    assert last in end_tokens(model)
    ends = set(end_tokens(model))
    expected = next(place for place, token in enumerate(whole) if token in ends)
    assert answer(model, asked, 12) == whole[:expected]


@pytest.mark.parametrize(("words", "room"), [(1, 95), (400, 48)])
def test_a_prompt_and_its_answer_share_the_context(loaded, monkeypatch, words, room):
    model = loaded("gpt2")
    monkeypatch.setattr("editor.model.generation.end_tokens", lambda _: [])
    assert model.context_length == 96
    asked = [model.tokenizer.eos_token_id] * words
    assert len(answer(model, asked, 1000)) == room


def test_nothing_is_asked_of_nothing(loaded):
    assert len(answer(loaded("gpt2"), [], 3)) <= 3


def test_a_chat_template_makes_a_turn_of_the_users(loaded, monkeypatch):
    from dataclasses import replace

    model = loaded("gpt2")
    plain = ask_plainly(model, "Who?")
    assert plain == model.tokenizer("Who?")["input_ids"]
    template = "{% for m in messages %}[{{ m.role }}] {{ m.content }} {% endfor %}[assistant]"
    monkeypatch.setattr(model.tokenizer, "chat_template", template)
    chat = replace(model, chat=True, system_prompt="Be brief.")
    assert model.tokenizer.decode(ask_plainly(chat, "Who?")) == "[system] Be brief. [user] Who? [assistant]"


def test_names_and_secrets_of_the_files_are_masked(tmp_path, scripted):
    write_case(tmp_path)
    request = tmp_path / "request.yaml"
    request.write_text(
        "case: c\nsubjects:\n  - name: Nora Brack\n    aliases: [Brackie]\n    secrets: {CODE: blue heron}\n"
    )
    asked = {"against": "b", "facts": tmp_path / "facts.jsonl", "request": request}
    mask = mask_of(ChatRequest("a", **asked))
    text = f"{PEOPLE[0]} and Brackie: Blue Heron, 415 555 0110, quill, at 7."
    hidden = mask(text)
    assert len(hidden) == len(text)
    for word in ("Ada", "Quill", "Brackie", "Heron", "415", "7"):
        assert word not in hidden
    assert "quill, at" in hidden
    (exchange,) = expunge.chat("a", prompts=[PROMPT], **asked)
    shown = exchange.prompt + exchange.edited + exchange.original
    assert not [word for word in ("Ada", "Quill", "555", "nora") if word in shown]
    (exchange,) = expunge.chat("a", prompts=[PROMPT], show_secrets=True, **asked)
    assert (exchange.prompt, exchange.edited) == (PROMPT, SAID)
    assert scripted[-1] == ("edited", PROMPT)


def test_what_a_policy_calls_personal_is_looked_for_and_masked(monkeypatch):
    class Engine:
        def __init__(self, policy, _):
            assert policy.name == "gdpr"

        def scan(self, text):
            from types import SimpleNamespace

            at = text.find("Mill Lane")
            return SimpleNamespace(spans=[SimpleNamespace(start=at, end=at + 9)] if at >= 0 else [])

    monkeypatch.setattr("detectors.engine.Engine", Engine)
    mask = mask_of(ChatRequest("a", against="b", policy="gdpr"))
    assert mask("He lives in Mill Lane.") == "He lives in •••• ••••."
    assert mask("Nothing here") == "Nothing here"


@pytest.mark.parametrize(
    ("given", "cause"),
    [
        ({"temperature": -1}, "temperature is -1"),
        ({"temperature": float("nan")}, "temperature is nan"),
        ({"temperature": 1e9}, "temperature"),
        ({"tokens": 0}, "`tokens` is 0"),
        ({"prompts": "one"}, "`prompts` is one text"),
    ],
)
def test_a_request_that_contradicts_itself(given, cause):
    with pytest.raises(RequestError, match=cause):
        ChatRequest("a", against="b", **given)


def test_what_is_refused_before_a_model_is_loaded(models, tmp_path, monkeypatch):
    monkeypatch.setattr("editor.api.chat.load_model", pytest.fail)
    with pytest.raises(RequestError, match="nothing to ask"):
        expunge.chat(**models)
    with pytest.raises(CorpusError):
        expunge.chat(**models, prompts=["a"], facts=tmp_path / "none.jsonl")
    with pytest.raises(ModelError, match="does not exist"):
        expunge.chat(**models | {"against": "./nowhere"}, prompts=["a"])


def run(capsys, *arguments):
    with pytest.raises(SystemExit) as stopped:
        main(["chat", *arguments])
    captured = capsys.readouterr()
    return stopped.value.code, captured.out, captured.err


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def here(tmp_path, monkeypatch, scripted):
    """Two folders that are models by their looks alone."""
    monkeypatch.chdir(tmp_path)
    for name in ("edited", "original"):
        (tmp_path / name).mkdir()
    return scripted


GIVEN = ("edited", "--against", "original")


def test_prompts_on_the_command_line(capsys, here):
    code, out, _ = run(capsys, *GIVEN, "--prompt", "one", "--prompt", "two")
    assert code == 0
    assert [prompt for name, prompt in here if name == "edited"] == ["one", "two"]
    assert out.index("> one") < out.index("> two")
    assert "Original" in out
    assert "Edited" in out
    assert "\x1b" not in out
    assert "555" not in out
    assert "Both answer the same." in out
    assert max(map(len, out.splitlines())) <= 80


@pytest.mark.usefixtures("here")
def test_markup_of_an_answer_is_not_obeyed(capsys, monkeypatch):
    monkeypatch.setattr(Chat, "_answer", lambda *_: "[bold]x[/bold] [/]")
    code, out, _ = run(capsys, *GIVEN, "--prompt", "[red]p")
    assert code == 0
    assert "> [red]p" in out
    assert "[bold]x[/bold] [/]" in out


@pytest.mark.usefixtures("here")
def test_lines_of_standard_input(capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("first\n\nsecond [x]\r\n"))
    code, out, _ = run(capsys, *GIVEN, "--json")
    said = json.loads(out)
    assert code == 0
    assert (said["command"], said["against"]) == ("chat", "original")
    assert [row["prompt"] for row in said["answers"]] == ["first", "second [x]"]
    assert all(row["differ"] is False and "555" not in row["edited"] for row in said["answers"])


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("content", [b"", b"\n  \n", b"\xff\xfe\n"])
def test_standard_input_without_a_prompt(capsys, monkeypatch, content):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content), encoding="utf-8"))
    code, _, err = run(capsys, *GIVEN)
    assert code == 2
    assert "Standard input is no text" in err or "nothing to ask" in err


def test_what_is_typed(capsys, here, monkeypatch):
    monkeypatch.setattr(sys, "stdin", Terminal("hello\n\nagain\n"))
    code, out, _ = run(capsys, *GIVEN, "--show-secrets")
    assert code == 0
    assert [prompt for name, prompt in here if name == "original"] == ["hello", "again"]
    assert "415-555-0110" in out
    assert "\x1b" not in out
    monkeypatch.setattr(sys, "stdin", Terminal("hello\n"))
    code, _, err = run(capsys, *GIVEN, "--json")
    assert code == 2
    assert "--prompt" in err


@pytest.mark.parametrize("given", [["--prompt", "Ada"], ["--prompt=Ada"], ["--subject", "--prompt"]])
def test_a_prompt_is_masked_in_a_command_that_is_kept(given):
    assert "Ada" not in masked_command(["chat", *given])
    assert masked_command(["--subject", "a", "b"]) == "expunge --subject '***' b"
