from io import StringIO

from rich.console import Console

from dictionaries.evaluation.interpret import Bin, Context, FeatureView, Promotion
from dictionaries.evaluation.passages import Piece
from editor.cli.dictionary.feature_view import marked, print_feature, shaded

PIECES = (Piece(" the", 0.0), Piece(" bak", 2.0), Piece("er\n", 4.0), Piece(" of", 0.2))
VIEW = FeatureView(
    feature=7,
    density=0.01,
    tokens=1000,
    largest=4.0,
    baseline=0.0,
    contexts=(Context(0, 4.0, PIECES, 2),),
    promoted=(Promotion(" x", 1.5),),
    suppressed=(Promotion(" y", -1.5),),
    histogram=(Bin(0.0, 2.0, 8), Bin(2.0, 4.0, 2)),
)


def printed(**settings):
    stream = StringIO()
    facts = [("PHONE_NUMBER 01234567", 2.5)]
    print_feature(VIEW, "mlp_out.3", facts, Console(file=stream, width=100, **settings))
    return stream.getvalue()


def test_without_colour_tokens_are_marked():
    said = printed()
    assert "the [bak][[er⏎]] of" in said
    assert "PHONE_NUMBER 01234567" in said
    assert "+2.50" in said
    assert "\x1b" not in said


def test_on_a_terminal_tokens_are_coloured():
    said = printed(force_terminal=True, color_system="truecolor")
    assert "[[" not in said
    text = shaded(VIEW, VIEW.contexts[0])
    assert text.plain == " the baker⏎ of"
    grounds = {text.plain[span.start : span.end]: str(span.style) for span in text.spans}
    assert grounds["er⏎"].startswith("bold black on #ff8c1a")
    assert grounds[" bak"] == "black on #ffb45c"
    assert grounds[" of"] == "black on #fff0d6"
    assert " the" not in grounds


def test_bars_are_as_long_as_their_counts():
    lines = [line.split() for line in printed().splitlines() if line.strip().startswith("to ")]
    assert [len(line[2]) for line in lines] == [30, 8]
    assert [line[3] for line in lines] == ["8", "2"]


def test_a_bit_that_is_on_as_ever_is_not_marked():
    view = VIEW._replace(baseline=0.9, contexts=(Context(0, 0.0, (Piece("a", 1.0), Piece("b", 0.0)), 1),))
    assert [view.strength(value) for value in (1.0, 0.0)] == [0.0, 1.0]
    assert marked(view, view.contexts[0]) == "a[[b]]"
