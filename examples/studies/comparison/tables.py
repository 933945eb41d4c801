"""Tables of what a comparison found, for programs."""

from collections.abc import Sequence
from statistics import median

from editor.report.comparison_text import attacks_of
from editor.results.comparison import Comparison, Cost, Interval
from examples.studies.tables import Table

# Fields of a comparison's summary that have intervals.
MEASURES = (
    "rel",
    "gen",
    "loc",
    "exposed",
    "extractable",
    "same_subject",
    "perplexity_rise",
)


def summary(comparison: Comparison) -> Table:
    """Return every arm at every operating point, and the original model first."""
    rows = []
    attacks = attacks_of(comparison)
    for row in comparison.summary:
        measured = [_interval(getattr(row, name)) for name in MEASURES]
        measured += [_interval(row.attacks.get(name)) for name in attacks]
        rows.append(
            (
                row.point,
                row.arm,
                row.family,
                row.seeds,
                *[value for one in measured for value in one],
                row.bits,
                row.norm,
                row.collateral,
                row.meets_policy,
            )
        )
    if comparison.original:
        rows.insert(0, _before(comparison, (*MEASURES, *attacks)))
    # Three columns for each measure: its mean, and the ends of its interval.
    columns = [f"{name}{end}" for name in (*MEASURES, *attacks) for end in ("", " low", " high")]
    ends = ("bits", "norm", "collateral", "policy met")
    return Table("summary", ("point", "arm", "family", "seeds", *columns, *ends), rows)


def _before(comparison: Comparison, names: Sequence[str]) -> tuple[str | int | float, ...]:
    """Return the row of the original model, as an arm that changes nothing."""
    facts = comparison.original
    measured = {
        name: sum(getattr(fact, name) for fact in facts) / len(facts)
        for name in ("rel", "gen", "exposed", "extractable")
    }
    # What was not measured of it stays empty, and so do intervals.
    empty = [value for name in names for value in (measured.get(name, ""), "", "")]
    return ("none", "no edit", "", 1, *empty, median(fact.bits for fact in facts), 0.0, 0.0, "")


def _interval(one: Interval | None) -> tuple[float | str, float | str, float | str]:
    """Return mean, low and high; empty cells where there is no interval."""
    return (one.mean, one.low, one.high) if one is not None else ("", "", "")


def tests(comparison: Comparison) -> Table:
    """Return the reference's tests against each arm, by fact."""
    rows = [
        (
            test.point,
            test.measure,
            test.arm,
            test.difference.mean,
            test.difference.low,
            test.difference.high,
            test.p,
            test.p_holm,
        )
        for test in comparison.tests
    ]
    return Table("tests", ("point", "measure", "against", "difference", "low", "high", "p", "p (Holm)"), rows)


def overlaps(comparison: Comparison) -> Table:
    """Return how far the arms changed the same neurons, by pairs of arms."""
    rows = [(one.first, one.second, one.jaccard) for one in comparison.overlaps]
    return Table("overlaps", ("arm", "arm", "jaccard"), rows)


def spent(costs: list[Cost]) -> Table:
    """Return what each arm took: seconds as means over seeds, of memory the most."""
    rows = []
    for arm in dict.fromkeys(cost.arm for cost in costs):
        own = [cost for cost in costs if cost.arm == arm]

        # `own` is bound now, as a default: the name changes with the next arm.
        def mean(name: str, own: list[Cost] = own) -> float:
            return sum(getattr(cost, name) for cost in own) / len(own)

        rows.append(
            (
                arm,
                *(mean(name) for name in ("locating_s", "tuning_s", "fitting_s", "measuring_s")),
                max(cost.peak_mib for cost in own),
            )
        )
    return Table("costs", ("arm", "locating, s", "tuning, s", "one fit, s", "measuring, s", "peak MiB"), rows)
