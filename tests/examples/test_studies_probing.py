"""The probing study at toy size: groups stay together, categories say what they say, planted neurons are found."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest
from family_models import family
from people import ASKED, OTHERS, probe

from detectors import Document, Fact, Source
from dictionaries.model.sites import Site
from editor.locators.probe_data import TEST, TRAIN, VALIDATION
from editor.locators.sparse_probing import SparseProbing
from examples.studies.probing import __main__ as study
from examples.studies.probing.categories import CATEGORIES, FIRST_TOKENS, Samples

TEXT = "Ada Quill lives in Dover and her number is 415 555, write to ada at example dot org today."


@pytest.fixture(scope="module")
def case():
    start = TEXT.index("ada at")
    documents = tuple(Document(id=f"d{number}", text=TEXT, subjects=()) for number in range(6))
    sources = tuple(
        Source(document=one.id, start=start, end=start + 22, score=1.0, prefix=TEXT[:start])
        for one in documents
    )
    facts = (
        Fact(
            subject="Ada Quill", entity_type="EMAIL_ADDRESS", secret=TEXT[start : start + 22], sources=sources
        ),
    )
    public = [
        probe(name, answer, f"{name} works as", relation=relation, group="others")
        for relation in ("occupation", "home_town")
        for name, answer in (("Ada Quill", "baker"), ("Cora Finch", "baker"), ("Ada Marsh", "nurse"))
    ]
    mail = [probe("Ada Quill", "ada at example dot org", "Write to Ada Quill at", relation="EMAIL_ADDRESS")]
    return SimpleNamespace(documents=documents, facts=facts, probes=(*ASKED, *OTHERS, *public, *mail))


def read(loaded, samples):
    """The token before each marked one: what a probe reads."""
    found = []
    for sequence in samples.sequences:
        for place, mark in enumerate(sequence.marked):
            if mark:
                found.append((place - 1, loaded.tokenizer.decode([sequence.ids[place - 1]])))
    return found


@pytest.mark.parametrize("name", CATEGORIES)
def test_every_category_has_both_classes_and_labels_for_each_sample(case, name):
    samples = CATEGORIES[name](case, family("gpt2"))
    marks = sum(sum(sequence.marked) for sequence in samples.sequences)
    assert marks == len(samples.labels) == len(samples.groups)
    assert set(samples.labels) == {0, 1}


def test_tokens_are_labelled_by_what_they_are(case):
    loaded = family("gpt2")
    for name, test in (
        ("token class", lambda _, text: text.strip().isdigit()),
        ("position", lambda place, _: place < FIRST_TOKENS),
    ):
        samples = CATEGORIES[name](case, loaded)
        assert [int(test(place, text)) for place, text in read(loaded, samples)] == list(samples.labels)


def test_groups_stay_together_and_both_classes_are_everywhere():
    groups = [f"g{number // 4}" for number in range(80)]
    labels = [int(number % 4 == 0 and number < 40) for number in range(80)]
    split = Samples(sequences=(), labels=labels, groups=groups).split(3)
    for group in set(groups):
        assert len({int(part) for part, own in zip(split.split, groups, strict=True) if own == group}) == 1
    for part in (TRAIN, VALIDATION, TEST):
        assert set(split.labels[split.where(part)]) == {0, 1}


def test_a_planted_neuron_is_the_fewest_that_do():
    generator = np.random.default_rng(0)
    labels = [int(value) for value in generator.random(400) < 0.4]
    samples = Samples(sequences=(), labels=labels, groups=[str(number) for number in range(400)])
    noise = generator.normal(size=(2, 400, 64)).astype(np.float32)
    noise[1, :, 5] += 6 * np.array(labels)
    layers = {Site(layer, "mlp_hidden"): x for layer, x in enumerate(noise)}
    probing = SparseProbing(prefilter=64, sizes=study.SIZES, exact_among=5)
    found = probing.study_layers(iter(layers.items()), samples.split(0))
    sweep = [(8, "made", 0, row.site.layer, row.k, int(row.exact), row.validation.f1) for row in found.rows]
    chosen = study.chosen_row(8, "made", 0, found)
    assert len(chosen) == len(study.CHOSEN)
    table = study.summary(sweep, [chosen])
    (row,) = table.rows
    assert len(row) == len(table.columns)
    assert row[2] > 0.9
    assert row[-2:] == (1.0, 1.0)


@pytest.mark.parametrize(("width", "instead"), [(100, 96), (47, 48), (0, 48), (-48, 48)])
def test_a_width_that_is_no_whole_number_of_heads_is_refused_before_anything_runs(
    width, instead, tmp_path, monkeypatch, capsys
):
    output = tmp_path / "out"
    monkeypatch.setattr(sys, "argv", ["probing", "--widths", "96", str(width), "--output", str(output)])
    with pytest.raises(SystemExit) as stopped:
        study.main()
    assert stopped.value.code == 2
    assert f"Give a multiple of 48, such as {instead}." in capsys.readouterr().err.splitlines()[-1]
    assert not output.exists()
