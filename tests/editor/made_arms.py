"""Invented arms for the tests of comparisons: outcomes drawn around given shares, all from one seed."""

import random

from editor.comparing.conclusion import draw_conclusion
from editor.comparing.job import Finished
from editor.results.attacks import AttackRow
from editor.results.comparison import POINTS, ArmRun, Cost, Editing, FactOutcome, Point
from editor.results.edits import TrialRow
from editor.results.parts import Rate
from editor.results.report import ModelSummary, PolicySummary, Scope

FAMILIES = {
    "feature-edit": ("features", 0.97, 33.0),
    "feature-literal": ("features", 0.74, 21.0),
    "neuron-kn": ("neurons", 0.41, 9.0),
    "neuron-depn": ("neurons", 0.46, 11.0),
    "neuron-probe": ("neurons", 0.39, 8.0),
    "circuit-node": ("circuits", 0.66, 17.0),
    "circuit-mlp": ("circuits", 0.81, 25.0),
    "npo-lora": ("weights", 0.9, 29.0),
    "grad-ascent": ("weights", 0.78, 40.0),
    "random-neurons": ("random", 0.05, 0.7),
    "random-features": ("random", 0.02, 0.5),
}
SHARE_AT = {"policy": 1.03, "norm": 0.86, "collateral": 0.93, "quarter": 0.6}
COLLATERAL_AT = {"collateral": 0.0041, "quarter": 0.001}


def make_fact(label, gen, exposed=False, bits=20.0, rel=None):
    return FactOutcome(
        fact=label,
        subject=f"subject {label[-1]}",
        rel=gen if rel is None else rel,
        gen=gen,
        percentile=2.0 if exposed else 48.0,
        exposed=exposed,
        extractable=exposed and bits < 5,
        bits=bits,
    )


def make_attacks(four_bit, relearned):
    return tuple(
        AttackRow(attack=attack, name=attack, greedy_facts=rate, worst_case_bits_median=None)
        for attack, rate in {"4-bit": four_bit, "relearning": relearned}.items()
    )


def make_point(point, facts, others_kept="1111", **changes):
    values = {
        "scale": 1.0,
        "settings": {"gain": 2.0},
        "norm": 3.2,
        "collateral": 0.004,
        "others": Rate(hits=others_kept.count("1"), total=len(others_kept)),
        "same_subject": Rate(hits=14, total=15),
        "perplexity_rise": 0.004,
        "forget_quality": 0.25,
        "attacks": make_attacks(Rate(hits=1, total=25), Rate(hits=0, total=12)),
        "meets_policy": False,
    }
    return Point(point=point, facts=tuple(facts), others_kept=others_kept, **(values | changes))


def make_run(arm, facts, *, family="features", seed=0, points=tuple(POINTS), neurons=None, **changes):
    """The same facts at all operating points."""
    return ArmRun(
        arm=arm,
        family=family,
        seed=seed,
        trials=(),
        points=tuple(make_point(point, facts, **changes) for point in points),
        editing=Editing(located={}, modules={}, neurons=neurons or {}),
    )


def runs_of(arm, gens, *, exposed=None, bits=None, **options):
    """One seed of an arm by the Gen of its facts."""
    exposed = exposed or [False] * len(gens)
    bits = bits or [20.0] * len(gens)
    facts = [
        make_fact(f"US_SSN {index:08x}", *values)
        for index, values in enumerate(zip(gens, exposed, bits, strict=True))
    ]
    return make_run(arm, facts, **options)


def make_arms(seeds=3, facts=25, layers=4, neurons=512, questions=80, families=None):
    """As many arms as a comparison has, with plausible values."""
    return tuple(
        _made_run(arm, seed, facts, layers, neurons, questions)
        for arm in (families or FAMILIES)
        for seed in range(seeds)
    )


def _made_run(arm, seed, facts, layers, neurons, questions):
    family, share, bits = FAMILIES[arm]
    source = random.Random(f"{arm} {seed}")
    points = []
    for point, factor in SHARE_AT.items():
        outcomes = []
        for index in range(facts):
            gone = sum(source.random() < share * factor for _ in range(4)) / 4
            worst = max(0.0, source.gauss(bits * factor, bits / 4))
            outcomes.append(make_fact(f"US_SSN {index:08x}", gone, gone < 0.75, worst, min(1.0, gone + 0.1)))
        kept = "".join("1" if source.random() < 0.99 else "0" for _ in range(questions))
        points.append(
            make_point(
                point,
                outcomes,
                kept,
                norm=3.2 if point == "norm" else 3.2 + source.gauss(0, 1),
                collateral=COLLATERAL_AT.get(point) or 10 ** source.gauss(-2.4, 0.5),
                same_subject=Rate(hits=round(15 * source.uniform(0.8, 1)), total=15),
                perplexity_rise=source.gauss(0.005, 0.004),
                attacks=make_attacks(
                    Rate(hits=round(facts * (1 - share) * source.random()), total=facts),
                    Rate(hits=round(12 * (1 - share) * source.random()), total=12),
                ),
                meets_policy=point == "policy" and source.random() < share,
            )
        )
    return ArmRun(
        arm=arm,
        family=family,
        seed=seed,
        trials=tuple(_trial(source, number, share) for number in range(12)),
        points=tuple(points),
        editing=_editing(source, family, layers, neurons),
    )


def _trial(source, number, share):
    gain = source.uniform(0.3, 4)
    return TrialRow(
        number=number,
        settings={"gain": gain},
        leakage=min(1.0, max(0.0, 1 - share * gain / 3 + source.gauss(0, 0.05))),
        collateral=0.0006 * 3**gain,
        norm=gain,
        chosen=number == 3,
    )


def _editing(source, family, layers, neurons):
    changed = {"features": 0.15, "neurons": 0.03, "circuits": 0.05, "weights": 1.0, "random": 0.03}[family]
    peak = source.randrange(layers)
    every = {
        f"mlp_hidden.{layer}": tuple(
            (source.random() if source.random() < changed / (1 + abs(layer - peak)) else 0.0)
            for _ in range(neurons)
        )
        for layer in range(layers)
    }
    wide = family in {"weights", "circuits"}
    names = ("attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj") if wide else ("mlp.c_proj",)
    modules = {
        f"transformer.h.{layer}.{name}.weight": source.uniform(0.2, 1) / (1 + abs(layer - peak))
        for layer in range(layers)
        for name in names
    }
    return Editing(located={f"mlp_hidden.{peak}": (3, 5, 8)}, modules=modules, neurons=every)


def make_costs(arms):
    source = random.Random(5)
    return tuple(
        Cost(
            arm=run.arm,
            seed=run.seed,
            processes=2,
            threads=1,
            device="cpu",
            locating_s=source.uniform(0, 20),
            dictionaries_s=61.0 if run.family == "features" else 0.0,
            tuning_s=source.uniform(40, 400),
            fitting_s=source.uniform(0.5, 20),
            measuring_s=source.uniform(30, 50),
            peak_mib=source.uniform(700, 1200),
        )
        for run in arms
    )


def finished(arm, seed):
    """What a job finds that is none: one fact, erased."""
    made = make_run(arm, [make_fact("PHONE_NUMBER 01", 1.0)], seed=seed)
    return Finished(run=made, cost=make_costs([made])[0])


def make_comparison(arms=None, **changes):
    values = {
        "case": "rivermouth",
        "command": "expunge compare rivermouth/model --facts facts.jsonl --policy policy.yaml --output out",
        "versions": {"expunge": "0.1.0", "torch": "2.13.0"},
        "policy": PolicySummary(name="rivermouth", digest="ab" * 32, text="name: rivermouth\nseed: 0\n"),
        "model": ModelSummary(source="rivermouth", architecture="GPT2LMHeadModel", parameters=3_400_000,
                              digest="cd" * 32),
        "scope": Scope(corpus="corpus.jsonl", documents=1512, facts_by_type={"US_SSN": 100},
                       subjects_in_scope=5, facts_in_scope=25, coverage=("Register of names.",), skipped=()),
        "reference": "feature-edit",
        "trials": 12,
        "arms": make_arms() if arms is None else arms,
    }  # fmt: skip
    return draw_conclusion(**(values | changes))
