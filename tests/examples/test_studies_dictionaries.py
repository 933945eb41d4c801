"""The study of the dictionary papers' claims: each claim's code at toy size, and its committed tables."""

import math
from pathlib import Path

import pytest
import torch

from dictionaries import Site
from examples.studies.dictionaries import entropy_estimate, gated, instrument, planted, prompts, sparsity
from examples.studies.dictionaries.intervals import Estimate, estimate, shown
from examples.studies.dictionaries.lab import lab_tokenizer
from examples.studies.tables import Table, markdown, read_table, write_table

FOLDER = Path(__file__).parents[2] / "examples" / "studies" / "dictionaries"


def silent(_: str) -> None:
    pass


def point(weight, l0, recovered):
    return gated.Point("mlp_out.2", "relu", weight, 0, l0, recovered, 1.0, 0.9, 512, 0.0)


def test_l0_is_read_between_two_weights_and_never_outside_the_sweep():
    sweep = [point(1.0, 40.0, 0.99), point(2.0, 10.0, 0.9)]
    assert gated.l0_at(sweep, 0.99) == pytest.approx(40)
    # Half way in log(1 - recovered) is half way in log L0.
    assert gated.l0_at(sweep, 1 - math.sqrt(0.1 * 0.01)) == pytest.approx(20)
    assert math.isnan(gated.l0_at(sweep, 0.999))


def test_an_interval_is_students_and_says_nothing_for_one_seed():
    found = estimate([1.0, 2.0, 3.0])
    assert found == pytest.approx(
        Estimate(2.0, 2 - 4.302653 / math.sqrt(3), 2 + 4.302653 / math.sqrt(3)), abs=1e-5
    )
    assert shown(estimate([1.0])) == "1.00"


def test_tables_read_back_as_they_were_written(tmp_path):
    table = Table("one", ("name", "value"), [("a", 1 / 3), ("b", 2)])
    write_table(table, tmp_path)
    found = read_table(tmp_path / "one.csv")
    assert found == Table("one", ("name", "value"), [("a", "0.33333"), ("b", "2")])
    assert markdown(found) == markdown(table)


def test_gated_study_at_toy_size_is_the_same_twice():
    study = gated.GatedStudy(
        sites=(Site(2),),
        weights=(("relu", (1.0,)), ("gated", (2.0,))),
        features=32,
        steps=20,
        texts=40,
        judged=8,
    )
    first, again = (gated.measure(study, [0], silent) for _ in range(2))
    assert first == again
    assert {one.architecture for one in first} == {"relu", "gated"}
    assert [table.name for table in gated.tables(first, study)] == [
        "gated-points",
        "gated-at-equal-loss",
        "gated-shrinkage",
    ]


@pytest.mark.parametrize(("sources", "entropy"), [("fair", 4.0), ("paired", 2 + 2 * 0.468996)])
def test_planted_entropy_is_the_entropy_of_the_sources(sources, entropy):
    mixture = planted.Mixture(rank=4, noise=0.3, sources=sources)
    found = planted.plant(mixture, 100, 20000, 0)
    assert found.entropy == pytest.approx(entropy, abs=1e-5)
    patterns = (found.bits @ torch.tensor([8.0, 4.0, 2.0, 1.0])).long()
    p = torch.bincount(patterns, minlength=16).double() / len(patterns)
    assert float(-(torch.xlogy(p, p)).sum() / math.log(2)) == pytest.approx(entropy, abs=0.02)


def test_noise_leaves_the_sources_the_share_of_variance_that_is_stated():
    clean, noisy = (planted.plant(planted.Mixture(rank=8, noise=noise), 10, 20000, 3) for noise in (0.0, 0.6))
    share = clean.judged.var(dim=0).sum() / noisy.judged.var(dim=0).sum()
    assert clean.ceiling == 1
    assert float(share) == pytest.approx(noisy.ceiling, abs=0.01)


def test_entropy_study_at_toy_size():
    mixture = planted.Mixture(rank=4, noise=0.3, width=8)
    study = entropy_estimate.EntropyStudy(
        mixtures=(mixture,), compared=(mixture,), features=16, steps=20, rows=1024, judged=256
    )
    found = entropy_estimate.measure(study, [0], silent)
    assert {one.setting for one in found} == {
        "removal",
        "no removal",
        "lab's weights",
        "no covariance term",
        "straight_through",
    }
    assert all(0 <= one.tree <= one.estimate <= 16 for one in found)
    assert len(entropy_estimate.tables(found)[1].rows) == 1


def test_sparsity_study_at_toy_size():
    study = sparsity.SparsityStudy(
        arms=sparsity.SparsityStudy().arms[-2:],
        features=24,
        comsem_features=4,
        steps=20,
        texts=30,
        judged=8,
    )
    found = sparsity.measure(study, [0], silent)
    assert [one.arm for one in found] == [arm.name for arm in study.arms]
    assert all(one.dense_rarer + one.dead <= 1 for one in found)
    assert len(sparsity.tables(found)[1].rows) == len(study.arms)


def test_instrument_at_toy_size_reads_every_question(tmp_path, monkeypatch):
    monkeypatch.setattr(instrument, "FEWEST_TOKENS", 1)
    monkeypatch.setattr(prompts, "RELATIONS", ("home_town",))
    study = instrument.InstrumentStudy(features=16, steps=10, examples=(0, 2), rounds=1, documents=24)
    measured = instrument.measure(study, [0], silent)
    assert {one.what for one in measured.readings} == {"layer", "position", "memory", "examples"}
    assert {one.model for one in measured.readings} == set(instrument.MODELS)
    assert all(0 <= one.bits <= 16 for one in measured.readings)
    assert len(instrument.tables(measured)) == 5
    instrument.write_figures(measured, tmp_path)
    assert len(list(tmp_path.glob("*.svg"))) == 4


def test_only_the_last_token_of_a_prompt_with_examples_counts():
    asked = prompts.queries(8, 1, same_relation=True, seed=0)
    query = asked[0]
    assert query.with_examples(0).text == query.prompt
    whole = query.with_examples(8)
    assert whole.text.endswith(query.prompt)
    assert all(example in whole.text for example in query.examples)
    assert not any(prompts.people()[query.person] in example for example in query.examples)
    (batch,) = prompts.last_token_batches([whole])
    assert int(batch.counted.sum()) == 1
    last = int(batch.tokens[batch.counted])
    assert last == lab_tokenizer()(whole.text)["input_ids"][-1]
    assert int(batch.documents[0]) == query.person


def test_both_kinds_of_examples_ask_the_same_prompts():
    same, other = (prompts.queries(2, 1, same_relation=kind, seed=1) for kind in (True, False))
    assert [one.prompt for one in same] == [one.prompt for one in other]
    assert {one.examples for one in same}.isdisjoint(one.examples for one in other)


def test_the_readme_shows_the_committed_tables():
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    for name in (
        "gated-at-equal-loss",
        "gated-shrinkage",
        "entropy-against-truth",
        "entropy-without-removal",
        "entropy-settings",
        "sparsity",
        "instrument-layers",
        "instrument-memory",
        "instrument-examples",
    ):
        assert markdown(read_table(FOLDER / "results" / f"{name}.csv")) in readme, name
