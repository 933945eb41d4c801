"""The page about the features that an edit is made of: one HTML file to search and to sort, light and dark."""

from collections import Counter
from dataclasses import dataclass

from markupsafe import Markup

from editor.formatting import percent, plural
from editor.report.render import environment, stylesheet

FEATURES_HTML = "features.html"
RARE, COMMON = 0.01, 0.1
"""Density up to which a feature is rare in other text, and from which on it is common there."""
LEVELS = 4
"""Number of shades of a token; 0 is none."""


@dataclass(frozen=True, kw_only=True)
class Shaded:
    """A piece of masked text and how strongly the feature is on there: 0 to `LEVELS`."""

    text: str
    level: int
    peak: bool = False


@dataclass(frozen=True, kw_only=True)
class FeatureCard:
    """One feature.

    Attributes:
        site: site that the feature's dictionary reads.
        feature: index of the feature in its dictionary.
        score: attribution of the feature to the facts in scope, in logits.
        density: share of the retained tokens looked at on which the feature is on.
        largest: largest value of the feature on the tokens looked at.
        facts: labels of the facts the feature adds to most, and how many logits it adds.
        contexts: masked text where the feature says most.
        promoted: output tokens that the feature promotes most.
        suppressed: output tokens that the feature suppresses most.
    """

    site: str
    feature: int
    score: float
    density: float
    largest: float
    facts: tuple[tuple[str, float], ...]
    contexts: tuple[tuple[Shaded, ...], ...]
    promoted: tuple[str, ...]
    suppressed: tuple[str, ...]

    @property
    def types(self) -> Counter[str]:
        """Number of facts that the feature adds to, by entity type."""
        return Counter(label.rpartition(" ")[0] for label, added in self.facts if added > 0)

    @property
    def reading(self) -> str:
        """Say in plain words what the feature is about and how often it is on elsewhere."""
        helped = ", ".join(f"{count} {name}" for name, count in self.types.most_common())
        about = (
            f"Helps the model to write facts, most of all {helped}" if helped else "Adds to no fact by itself"
        )
        if self.density == 0:
            return f"{about}. In the other text looked at it is never on."
        often = "rarely" if self.density <= RARE else "often" if self.density >= COMMON else "now and then"
        return f"{about}. In other text it is {often} on: at {percent(self.density)} of the tokens."


@dataclass(frozen=True, kw_only=True)
class FeaturePage:
    """Features chosen by an edit, the highest scores first.

    Attributes:
        case: identifier of the case.
        chosen: number of features that the edit may take out.
        cards: features shown.
        erased_documents: number of documents looked at that hold facts in scope.
        retained_documents: number of other documents looked at.
        tokens: number of tokens of the retained documents, over which density is taken.
        withheld: number of contexts left out because they might have disclosed something in spite of the mask.
    """

    case: str
    chosen: int
    cards: tuple[FeatureCard, ...]
    erased_documents: int
    retained_documents: int
    tokens: int
    withheld: int

    @property
    def sites(self) -> list[str]:
        """The sites there are features of, in the order of the model."""
        return sorted({card.site for card in self.cards}, key=lambda site: int(site.rsplit(".", 1)[1]))

    @property
    def reading(self) -> str:
        """Say in plain words which facts the features shown are about, and how many are rare elsewhere."""
        first = Counter(card.types.most_common(1)[0][0] for card in self.cards if card.types)
        rare = sum(card.density <= RARE for card in self.cards)
        led = ", ".join(f"{plural(count, 'feature')} to {name}" for name, count in first.most_common())
        mostly = f"They add most often: {led}. " if led else ""
        shown = len(self.cards)
        return (
            f"{mostly}{rare} of {shown} are rare elsewhere: on at {percent(RARE)} of other tokens or fewer."
        )


def render_features(page: FeaturePage) -> str:
    """Render the page. No external assets; its script only sorts and filters what is there without it."""
    made = environment()
    parts = {name: Markup(made.get_template(name).render()) for name in ("features.css.j2", "features.js.j2")}
    return made.get_template("features.html.j2").render(
        page=page,
        reading=page.reading,
        style=stylesheet() + parts["features.css.j2"],
        script=parts["features.js.j2"],
        scored=_scored,
    )


def _scored(value: float) -> str:
    return f"{value:+.2f}".replace("-", "\N{MINUS SIGN}")
