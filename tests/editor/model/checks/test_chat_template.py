"""Chat templates are chosen and tried when a model is looked at, before anything long."""

import pytest
from tokenizing import make_tokenizer

from editor.model.checks.chat_template import check_chat_template
from policies.errors import ModelError

PLAIN = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}"


def check(template, chat=None, system_prompt=None):
    tokenizer = make_tokenizer()
    tokenizer.chat_template = template
    return tokenizer, check_chat_template(tokenizer, "the model", chat=chat, system_prompt=system_prompt)


def test_the_default_of_several_is_taken():
    tokenizer, chat = check({"default": PLAIN, "rag": "{{"})
    assert chat
    said = [{"role": "user", "content": "Hm?"}]
    assert tokenizer.apply_chat_template(said, tokenize=False) == "<user>Hm?"


def test_the_only_one_is_taken_whatever_its_name():
    tokenizer, chat = check({"tool_use": PLAIN})
    assert chat
    assert tokenizer.chat_template == PLAIN


def test_several_without_a_default():
    with pytest.raises(ModelError, match="has the chat templates rag, tool_use, and none is the default"):
        check({"tool_use": PLAIN, "rag": PLAIN})
    assert not check({"tool_use": PLAIN, "rag": PLAIN}, chat=False)[1]


@pytest.mark.parametrize("template", ["{% for m in messages %}", "{{ messages[0].content", "a\n{% end %}"])
def test_a_template_that_is_not_jinja(template):
    with pytest.raises(ModelError, match=r"is not valid Jinja \(line \d\)"):
        check(template)
    assert not check(template, chat=False)[1]


@pytest.mark.parametrize(
    "template", ["{{ raise_exception('no') }}", "{{ messages[3].content }}", "{{ nothing() }}"]
)
def test_a_template_that_refuses_a_question(template):
    with pytest.raises(ModelError, match="refuses a mere question"):
        check(template)


def test_a_template_that_refuses_a_system_prompt():
    template = "{% if messages[0].role == 'system' %}{{ raise_exception('none') }}{% endif %}" + PLAIN
    assert check(template)[1]
    with pytest.raises(ModelError, match="refuses a system prompt and a question"):
        check(template, system_prompt="Be brief.")


def test_no_template():
    assert not check(None)[1]
    for given in ({"chat": True}, {"system_prompt": "Be brief."}):
        with pytest.raises(ModelError, match="has no chat template"):
            check(None, **given)
