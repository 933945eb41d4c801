"""Tables that `expunge dictionary` prints."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

    from dictionaries import Evaluation, Site, TrainingReport
    from dictionaries.evaluation.comsem import ComSem
    from dictionaries.evaluation.hidden_entropy import HiddenEntropy
    from dictionaries.training.log import LogEntry


def print_training(reports: "dict[Site, TrainingReport]") -> None:
    """Print what training did, a row for each site."""
    _print_table(
        "Training",
        ("site", "tokens", "sinks", "dead", "revived", "seconds"),
        [
            (
                str(site),
                f"{one.tokens:,}",
                str(one.sinks),
                f"{one.dead_share:.1%}",
                str(one.revived),
                f"{one.seconds:.1f}",
            )
            for site, one in reports.items()
        ],
        "Sinks: tokens left out for their norm. Dead: features that never fire on the training text.",
    )


def figures_table(moments: "list[LogEntry]") -> "Table":
    """Return a table of each site's latest figures in training."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="dim")
    names = list(dict.fromkeys(name for one in moments for name in one.point.terms))
    table.add_column("site")
    for name in (*(name.replace("_", " ") for name in names), "L0", "dead", "tokens/s"):
        table.add_column(name, justify="right", no_wrap=True)
    for one in sorted(moments, key=lambda moment: moment.site):
        terms = (f"{one.point.terms[name]:.4g}" if name in one.point.terms else "-" for name in names)
        speed = f"{one.tokens_per_second:,.0f}"
        table.add_row(str(one.site), *terms, f"{one.point.l0:.1f}", f"{one.point.dead_share:.1%}", speed)
    return table


def print_evaluations(rows: "dict[str, Evaluation]") -> None:
    """Print how well dictionaries reconstruct and how dense their features are, a row for each dictionary."""
    _print_table(
        "Reconstruction of activations",
        ("dictionary", "kind", "tokens", "explained", "γ"),
        [
            (name, one.architecture, f"{one.tokens:,}", f"{one.explained_variance:.4f}", f"{one.gamma:.3f}")
            for name, one in rows.items()
        ],
        "Explained: share of the variance. γ: 1 where strengths are unbiased.",
    )
    costs = {name: one.cross_entropy for name, one in rows.items() if one.cross_entropy}
    if costs:
        _print_table(
            "Recovered where the reconstruction replaces the activation",
            ("dictionary", "CE, mean", "CE, zero", "KL, mean", "KL, zero", "KL nats"),
            [
                (
                    name,
                    f"{cost.recovered_from_mean:.3f}",
                    f"{cost.recovered_from_zero:.3f}",
                    f"{cost.kl_recovered_from_mean:.3f}",
                    f"{cost.kl_recovered_from_zero:.3f}",
                    f"{cost.spliced_kl:.4f}",
                )
                for name, cost in costs.items()
            ],
            "CE: cross-entropy, KL: divergence from the model as it is; mean, zero: the ablation that recovers 0. "
            "KL nats: cost of the reconstruction, in nats/token.",
        )
    _print_table(
        "Features",
        ("dictionary", "L0", "alive", "> 1%", "> 10%", "bits", "absorbed"),
        [
            (
                name,
                f"{one.l0:.1f}",
                f"{one.alive} of {one.features}",
                f"{one.denser_than_1_percent:.1%}",
                f"{one.denser_than_10_percent:.1%}",
                f"{one.entropy_bits:.0f}",
                f"{one.absorbed_cosine:.3f}",
            )
            for name, one in rows.items()
        ],
        "L0: features on per token. > 1%: share of features on for more than 1% of the tokens. Bits: entropy of which "
        "are on, at most. Absorbed: cosine with the nearest other direction, mean.",
    )


def print_entropies(result: "HiddenEntropy") -> None:
    """Print entropies by layer, and at the first and last positions."""
    rows = [(f"layer {row.at:.0f}", row.series, row) for row in result.by_layer]
    for site in dict.fromkeys(row.series for row in result.by_position):
        own = [row for row in result.by_position if row.series == site]
        rows += [(f"positions around {row.at:.0f}", site, row) for row in dict.fromkeys((own[0], own[-1]))]
    _print_table(
        "Entropy of which features are on",
        ("where", "read at", "tokens", "bits", "95% interval"),
        [
            (where, series, f"{row.tokens:,}", f"{row.bits:.1f}", f"{row.low:.1f} to {row.high:.1f}")
            for where, series, row in rows
        ],
        "Bits: an upper bound, reached where features are independent; too low where there are few tokens.",
    )


def print_comsem(rows: "dict[str, ComSem]") -> None:
    """Print how many features can be named, a row for each dictionary."""
    _print_table(
        "Features whose names hold (ComSem)",
        ("dictionary", "judged", "rare", "named", "of all", "95%", "by chance"),
        [
            (
                name,
                f"{len(one.judged) - one.rare:,}",
                f"{one.rare:,}",
                f"{one.interpretable:,}" + (f", {one.share_of_judged:.0%}" if one.interpretable else ""),
                f"{one.count:,.0f}",
                "{:,.0f} to {:,.0f}".format(*one.interval),
                f"{one.controls_passed} of {one.controls}",
            )
            for name, one in rows.items()
        ],
        "Rare: too few passages to judge. Named: right answers reach the threshold. Of all: in the whole "
        "dictionary, rare ones counted as unnamed. By chance: pseudo-features of random passages that pass.",
    )


def _print_table(title: str, columns: tuple[str, ...], rows: list[tuple[str, ...]], caption: str) -> None:
    from rich.console import Console
    from rich.table import Table

    from editor.cli.fitting import fitted

    table = Table(title=title, caption=caption, caption_justify="left", title_justify="left")
    for index, column in enumerate(columns):
        table.add_column(column, justify="right" if index else "left")
    for row in rows:
        table.add_row(*row)
    console = Console()
    console.print(fitted(table, console.width))
