"""Text of others in Markdown: it calls nobody, breaks out of nothing, and acts on no terminal."""

import pytest

from editor.report.markdown import plain, table


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("thanks @octocat and @org/team", "thanks @&#8203;octocat and @&#8203;org/team"),
        ("fixes #12", "fixes #&#8203;12"),
        ("a @ b # c", "a @ b # c"),
        ("\x1b]8;;http://x\x07click\x1b]8;;\x07", "\\\\x1b\\]8;;http://x\\\\x07click\\\\x1b\\]8;;\\\\x07"),
        ("<img src=x onerror=y>", "&lt;img src=x onerror=y&gt;"),
        ("[a](javascript:b)", "\\[a\\](javascript:b)"),
        ("one\n\n# two", "one # two"),
    ],
)
def test_text_stands_as_it_is_and_does_nothing(text, shown):
    assert plain(text) == shown


def test_a_cell_ends_where_it_ends():
    assert table(("a",), [("x | y\n| z |",)]).splitlines()[-1] == "| x \\| y \\| z \\| |"
