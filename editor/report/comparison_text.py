"""What a comparison's page says of itself: how it was done, and what it does not show."""

from collections.abc import Callable

from editor.attacks import ATTACKS
from editor.comparing.statistics import DRAWS, FLIPS, MOST_BITS, MOST_EXACT
from editor.formatting import percent, plural
from editor.results.comparison import POINTS, Comparison, PointName, SummaryRow
from editor.results.parts import Rate

AT: dict[PointName, str] = {
    "norm": f"the {POINTS['norm']}",
    "collateral": f"the {POINTS['collateral']}",
    "quarter": POINTS["quarter"],
}
"""Points where arms are brought to the reference's norm or collateral, as a sentence names them."""
LEAST_MISMATCH = 0.0005
"""Relative difference below which values count as matched."""


def rows_at(comparison: Comparison, point: PointName) -> list[SummaryRow]:
    """Return the arms at one point, by falling Gen, then by rising share of exposed facts."""
    rows = [row for row in comparison.summary if row.point == point]
    return sorted(rows, key=lambda row: (-row.gen.mean, row.exposed.mean))


def facts_of(comparison: Comparison) -> set[str]:
    """Return the labels of the erased facts."""
    return {fact.fact for run in comparison.arms for point in run.points for fact in point.facts}


def before_any_edit(comparison: Comparison) -> str:
    """Say what the same measures give for the original model: what an edit that does nothing would show."""
    facts = comparison.original
    if not facts:
        return ""
    rel, gen = (sum(getattr(fact, name) for fact in facts) / len(facts) for name in ("rel", "gen"))
    exposed = sum(fact.exposed for fact in facts) / len(facts)
    return (
        f"Before any edit: Gen {percent(gen)}, Rel {percent(rel)}, exposed {percent(exposed)}. Wordings that the "
        "original model does not complete count as erased in every row."
    )


def attacks_of(comparison: Comparison) -> list[str]:
    """Return the names of the attacks that were made, in the order of the table."""
    made = dict.fromkeys(name for row in comparison.summary for name in row.attacks)
    return [*(name for name in ATTACKS if name in made), *(name for name in made if name not in ATTACKS)]


def attack_column(name: str) -> str:
    """Return the heading of an attack's column."""
    return ATTACKS[name].column if name in ATTACKS else name


def seeds_text(comparison: Comparison) -> str:
    """Return '1 seed (0)' or '3 seeds (0, 1, 2)': how many there are before which."""
    return f"{plural(len(comparison.seeds), 'seed')} ({', '.join(map(str, comparison.seeds))})"


def _attacks(comparison: Comparison) -> list[str]:
    entries = [ATTACKS[name] for name in attacks_of(comparison) if name in ATTACKS]
    if not entries:
        return []
    explained = " ".join(f"{entry.column}: {entry.explained}." for entry in entries)
    return [f"{explained} Attacks are made tuned to the policy and at the same collateral."]


def how_it_was_done(comparison: Comparison) -> list[str]:
    """Explain operating points, measures, intervals and tests, in sentences."""
    reference = comparison.reference
    return [
        f"Every arm edited the same model to erase the same facts, with {seeds_text(comparison)}. "
        f"Each had {plural(comparison.trials, 'trial')} of the same search, which saw the locating split alone. "
        "Verification's wordings, questions and text are the same for all arms of a seed, and no search saw them.",
        "Tuned to the policy: the trial that the arm's own search took. Same ‖ΔW‖: that edit, its change of weights "
        f"multiplied until it has the norm of {reference} tuned to the policy in the same seed. Same collateral: the "
        f"edit of each trial multiplied until it has the collateral of {reference} there, and of these the one that "
        f"then leaks least on the locating split. {reference} itself is the same edit at all three. A quarter of the "
        f"collateral: the edits of the point before, {reference}'s too, multiplied until they have a quarter of it. "
        "Collateral is the mean KL divergence from the original model in nats/token, on retained text of the "
        "locating split.",
        "Rel: share of the wordings an edit was fitted on that greedy decoding completes no more. Gen: the same of "
        "wordings that verification alone sees. Exposed: facts below the policy's percentile of never-seen decoys. "
        "Extractable: facts that sampling leaks with the policy's probability. Bits: worst-case, the median over facts "
        "and seeds.",
        "Loc: questions about other people that are answered as before, of those answered before. Same people: that "
        "of the erased people's other facts. ΔPPL: relative rise of perplexity on held-out retained text.",
        "Forget quality: p of a Kolmogorov-Smirnov test of how likely erased facts are against decoys in the edited "
        "model. A small p says that they can be told apart, a large one that no difference showed.",
        *_attacks(comparison),
        f"Intervals of Rel, Gen, exposed and extractable: percentile bootstrap over facts, {DRAWS:,} draws, each fact "
        "a mean over seeds; Loc: over questions, drawn together in all seeds. What stands below the other values is "
        "the least and the most of the seeds.",
        f"Tests: {reference} less the other arm for each fact, seeds averaged; two-sided sign-flip permutation test, "
        f"exact up to {MOST_EXACT} facts and {FLIPS:,} random flips beyond; Holm's correction for the arms "
        f"compared at one point by one measure. Bits above {MOST_BITS:.0f} count as {MOST_BITS:.0f}. The first "
        "sentence of this page corrects for all pairs of methods instead, as its leader was not named beforehand.",
    ]


def limits(comparison: Comparison) -> list[str]:
    """Say what the comparison does not show, in sentences."""
    facts = len(facts_of(comparison))
    bound = percent(Rate(hits=0, total=facts).high)
    return [
        f"One model, one corpus and {plural(facts, 'fact')}: other models, facts and policies may rank the arms "
        "otherwise.",
        "A bootstrap interval has no width where all facts come out alike, which says little when they are few: "
        f"where {facts} of {facts} facts were forgotten, up to {bound} of facts like them may still not be (exact 95% "
        "interval).",
        "Facts of one person resemble each other, and intervals and tests take them as independent: they may be too "
        "sure of themselves.",
        f"What {plural(len(comparison.seeds), 'seed')} gave says little about how outcomes vary from seed to seed; the "
        "least and the most are no confidence interval.",
        f"The same number of trials, {comparison.trials}, explores a method with many settings less well than one "
        "with few.",
        *_mismatches(comparison),
        *_without_decoys(comparison),
        "An edit brought to a norm or a collateral by a factor is not what its method would have fitted for it.",
        "Holm's correction covers the arms at one point by one measure; it does not cover that several points and "
        "measures are looked at.",
    ]


def _mismatches(comparison: Comparison) -> list[str]:
    """Name the arm that is farthest from the reference's norm or collateral where they should be the same."""
    said = []
    matched: tuple[tuple[PointName, str, Callable[[SummaryRow], float]], ...] = (
        ("norm", "norm", lambda row: row.norm),
        ("collateral", "collateral", lambda row: row.collateral),
        ("quarter", "collateral", lambda row: row.collateral),
    )
    for point, name, read in matched:
        rows = rows_at(comparison, point)
        own = next((read(row) for row in rows if row.arm == comparison.reference), 0.0)
        if not own:
            continue
        farthest = max(rows, key=lambda row: abs(read(row) / own - 1))
        share = abs(read(farthest) / own - 1)
        if share >= LEAST_MISMATCH:
            said.append(
                f"At {AT[point]}, {farthest.arm} is the farthest from {comparison.reference}: its {name} is "
                f"{percent(share)} {'above' if read(farthest) > own else 'below'}, a mean over seeds."
            )
    return said


def _without_decoys(comparison: Comparison) -> list[str]:
    """Say how many facts no decoy stands beside."""
    points = (point for run in comparison.arms for point in run.points)
    found = {fact.fact for point in points for fact in point.facts if fact.percentile is None}
    if not found:
        return []
    return [f"{plural(len(found), 'fact')} had no decoys to compare with: there, exposed is always no."]
