"""A tokenizer's chat template: which of several, and whether it can be filled in at all."""

from typing import Any

from policies.errors import ModelError

DEFAULT = "default"


def check_chat_template(tokenizer: Any, source: str, *, chat: bool | None, system_prompt: str | None) -> bool:
    """Return whether questions are put in the tokenizer's chat template, after trying it.

    A template that is the only one is taken, whatever its name. Of several the one named `default` is.

    Args:
        tokenizer: the tokenizer; where its only template has another name, it becomes the default.
        source: the path or hub name that the user gave.
        chat: what the user asked for; None for a chat wherever there is a template.
        system_prompt: the system prompt before every question.

    Raises:
        ModelError: a chat is wanted and there is no template, none of several is the default, or the template is no
            Jinja that can be filled in.
    """
    templates = getattr(tokenizer, "chat_template", None)
    if not templates and (chat or system_prompt):
        raise ModelError(
            f"The tokenizer of {source} has no chat template", "Leave out --chat and --system-prompt"
        )
    if not templates or chat is False:
        return False
    if isinstance(templates, dict) and DEFAULT not in templates:
        tokenizer.chat_template = _only(templates, source)
    _try(tokenizer, source, system_prompt)
    return True


def _only(templates: dict[str, str], source: str) -> str:
    if len(templates) > 1:
        raise ModelError(
            f"The tokenizer of {source} has the chat templates {', '.join(sorted(templates))}, and none is the default",
            f"Name one of them `{DEFAULT}` in its tokenizer_config.json; `expunge audit` also takes --no-chat",
        )
    return next(iter(templates.values()))


def _try(tokenizer: Any, source: str, system_prompt: str | None) -> None:
    """Fill the template in with a question.

    Raises:
        ModelError: that fails.
    """
    from jinja2 import TemplateSyntaxError

    question = [{"role": "user", "content": "Who is there?"}]
    system = [{"role": "system", "content": system_prompt}] if system_prompt else []
    try:
        tokenizer.apply_chat_template([*system, *question], tokenize=False, add_generation_prompt=True)
    except TemplateSyntaxError as error:
        raise ModelError(
            f"The chat template of {source} is not valid Jinja (line {error.lineno})",
            "Correct its chat_template.jinja or tokenizer_config.json; `expunge audit` also takes --no-chat",
        ) from None
    except Exception as error:  # templates are programs, and raise what they like
        what = "a system prompt and a question" if system else "a mere question"
        raise ModelError(
            f"The chat template of {source} refuses {what} ({type(error).__name__})",
            "Leave out --system-prompt, or correct the template; `expunge audit` also takes --no-chat",
        ) from None
