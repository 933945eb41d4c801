"""Every command that the documents print is one: its name, its options, its modules and targets are there."""

import re
import shlex
from pathlib import Path

import click
import pytest
from every_command import every_command
from transcripts import FENCE, commands, fits, steps

from editor.cli import cli

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")])
INLINE = re.compile(r"`((?:expunge|make|python -m) [^`\n]+)`")
OPTION = re.compile(r"`(--[a-z][a-z-]+)")
BY_NAME = {" ".join(path): command for path, command in every_command()}
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
by_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def printed(page):
    """The commands of a page, in blocks and in the text."""
    text = page.read_text(encoding="utf-8")
    for fence in FENCE.finditer(text):
        if fence["kind"] in ("", "sh", "bash", "console"):
            yield from commands(fence["body"])
    yield from INLINE.findall(FENCE.sub("", text))


def of_expunge(page):
    """The words of each of Expunge's own commands: without comments, and without what follows a pipe."""
    for command in printed(page):
        text = command.split(" | ")[0]
        if text.startswith("expunge ") and "<<" not in text:
            yield shlex.split(text, comments=True)[1:]


def parsed(words):
    """The command that words name, and its options; an error where one of them is unknown."""
    command, context = cli, click.Context(cli, info_name="expunge")
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        named = [command.get_command(context, name) for name in words[0].split("|")]
        assert all(named), f"there is no command {words[0]}"
        command, words = named[0], words[1:]
        context = click.Context(command, parent=context)
    known = {
        option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)
    }
    given = {word.partition("=")[0] for word in words if word.startswith("--")}
    return command, given - known - {"--help"}


@by_page
def test_every_command_and_option_of_ours_is_there(page):
    for words in of_expunge(page):
        if words[0].isupper() or words[0] == "...":
            continue
        assert not parsed(words)[1], f"{' '.join(words)}: unknown"


@by_page
def test_every_module_and_target_is_there(page):
    for command in printed(page):
        if module := re.search(r"(?:^| )(?:\S*python3?) -m ((?:editor|examples|tests)[\w.]*)", command):
            path = ROOT.joinpath(*module[1].split("."))
            assert path.with_suffix(".py").is_file() or (path / "__main__.py").is_file(), command
        if command.startswith("make "):
            named = [word for word in shlex.split(command, comments=True)[1:] if "=" not in word]
            assert set(named) <= TARGETS, command


@by_page
def test_every_option_that_the_text_names_is_there(page):
    known = {
        option
        for command in BY_NAME.values()
        for parameter in command.params
        for option in (*parameter.opts, *parameter.secondary_opts)
    }
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    programs = {option for path in ROOT.glob("examples/**/*.py") for option in declared(path)}
    assert set(OPTION.findall(text)) - known - programs - {"--help"} == set()


def declared(path):
    return re.findall(r'add_argument\(\s*"(--[a-z-]+)"', path.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("page", "said", "same"),
    [
        ("a\nb\n", "a  \nb\n\n", True),
        ("a …s left\n", "a 3 s left", True),
        ("first\n…\nlast\n", "first\nx\ny\nlast\n", True),
        ("first\n…\n", "first\nx\n", True),
        ("a\n", "a\nb\n", False),
        ("a (…)\n", "a [3]\n", False),
    ],
)
def test_what_differs_from_run_to_run_is_left_open_and_nothing_else(page, said, same):
    assert fits(page, said) is same


def test_blocks_are_read_with_their_continuations_and_documents(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "## One\n\n```sh\na \\\n  b\ncat > f <<'END'\nc\nEND\n# a comment\n```\n\n```text\nd\n```\n"
    )
    (step,) = steps(page)
    assert step.commands == ("a b", "cat > f <<'END'\nc\nEND")
    assert (step.section, step.printed) == ("One", "d\n")


@pytest.mark.parametrize("words", [["aduit"], ["audit", "m", "--corpos", "c"], ["request", "nwe"]])
def test_a_command_that_is_none_is_told(words):
    with pytest.raises(AssertionError):
        assert not parsed(words)[1]
