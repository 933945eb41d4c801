"""One feature on the terminal: contexts coloured by its value, or marked where there is no colour."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from editor.cli.fitting import fitted

if TYPE_CHECKING:
    from dictionaries import FeatureView
    from dictionaries.evaluation.interpret import Context, Promotion

SHADES = ((0.75, "#ff8c1a"), (0.5, "#ffb45c"), (0.25, "#ffd9a0"), (0.05, "#fff0d6"))
"""Least strengths, as shares of the largest value, and the ground that a token of that strength gets."""
MARKED = 0.5
"""Strength from which on a token is marked where there is no colour."""
BAR = 30
"""Characters of the longest bar."""


def print_feature(
    view: "FeatureView", site: str, facts: Sequence[tuple[str, float]] | None, console: Console | None = None
) -> None:
    """Print one feature: its contexts, how large it is, the output tokens at either end, and the facts it carries."""
    console = console or Console()
    console.print(
        f"Feature {view.feature} of {site}: on for {view.density:.3%} of {view.tokens:,} tokens, "
        f"largest {view.largest:.3g}, baseline {view.baseline:.3g}",
        highlight=False,
    )
    table = Table(title="Where it is largest", title_justify="left", show_lines=False)
    table.add_column("value", justify="right")
    table.add_column("context")
    coloured = console.is_terminal and console.color_system is not None
    for one in view.contexts:
        table.add_row(f"{one.value:.3g}", shaded(view, one) if coloured else Text(marked(view, one)))
    console.print(fitted(table, console.width))
    if not coloured and view.contexts:
        console.print(f"[[ ]] where it is largest, [ ] from {MARKED:.0%} of that on.", markup=False)
    _print_histogram(view, console)
    console.print(f"Promotes   {_promotions(view.promoted)}", highlight=False, markup=False)
    console.print(f"Suppresses {_promotions(view.suppressed)}", highlight=False, markup=False)
    if facts is not None:
        _print_facts(facts, console)


def shaded(view: "FeatureView", context: "Context") -> Text:
    """Return a context with its tokens on grounds as strong as the feature's value there."""
    text = Text()
    for place, piece in enumerate(context.pieces):
        strength = view.strength(piece.value)
        ground = next((f"black on {shade}" for least, shade in SHADES if strength >= least), "")
        text.append(_one_line(piece.text), style=f"bold {ground}" if place == context.peak else ground)
    return text


def marked(view: "FeatureView", context: "Context") -> str:
    """Return a context with brackets around the tokens where the feature is large."""
    parts = []
    for place, piece in enumerate(context.pieces):
        text = _one_line(piece.text)
        bare = text.strip()
        peak = place == context.peak
        if bare and (peak or view.strength(piece.value) >= MARKED):
            start = text.index(bare)
            opened, closed = ("[[", "]]") if peak else ("[", "]")
            text = f"{text[:start]}{opened}{bare}{closed}{text[start + len(bare) :]}"
        parts.append(text)
    return "".join(parts)


def _one_line(text: str) -> str:
    return text.replace("\n", "⏎")


def _print_histogram(view: "FeatureView", console: Console) -> None:
    if len(view.histogram) == 1:
        console.print(f"Where it is on, it is {view.histogram[0].high:.3g}.", highlight=False)
    if len(view.histogram) < 2:
        return
    most = max(one.tokens for one in view.histogram)
    table = Table(title="How large it is where it is on", title_justify="left", box=None, show_header=False)
    for one in view.histogram:
        bar = "█" * round(BAR * one.tokens / most) or ("▏" if one.tokens else "")
        table.add_row(f"to {one.high:.3g}", bar, f"{one.tokens:,}")
    console.print(table)


def _print_facts(facts: Sequence[tuple[str, float]], console: Console) -> None:
    if not facts:
        console.print("Carries none of the facts.")
        return
    table = Table(
        title="Facts it carries",
        title_justify="left",
        caption="Adds: to the margin of the secret's tokens over the next best, in logits (gradient times activation).",
        caption_justify="left",
    )
    table.add_column("fact")
    table.add_column("adds", justify="right")
    for label, logits in facts:
        table.add_row(label, f"{logits:+.2f}")
    console.print(fitted(table, console.width))


def _promotions(tokens: "tuple[Promotion, ...]") -> str:
    return "  ".join(f"{one.token!r} {one.logit:+.2f}" for one in tokens)
