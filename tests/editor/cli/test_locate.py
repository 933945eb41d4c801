"""`expunge locate`: every locator's scores, tables and figures, from the command line, the same bytes each time."""

import json

import pytest
import torch
from safetensors.torch import load_file
from six_people import PEOPLE

from editor.cli import main
from editor.locators.features import Attribution
from editor.locators.locating import LOCATORS, site_rows

NEURONS = [name for name, entry in LOCATORS.items() if not entry.needs_dictionary]


def run(capsys, *arguments):
    with pytest.raises(SystemExit) as stopped:
        main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return stopped.value.code, captured.out, captured.err


def locate(model, locator, output, *more):
    case = (
        "--facts",
        "facts.jsonl",
        "--policy",
        "policy.yaml",
        "--subject",
        "Ada Quill",
        "--subject",
        PEOPLE[1],
    )
    return (
        "locate",
        model,
        "--locator",
        locator,
        *case,
        "--output",
        output,
        "--quiet",
        "--device",
        "cpu",
        *more,
    )


@pytest.mark.parametrize("locator", NEURONS)
def test_scores_and_figures_are_written_and_are_the_same_again(here, capsys, checkpoint, locator):
    model = checkpoint("gpt2")
    for output in ("one", "two"):
        code, out, err = run(capsys, *locate(model, locator, output, "--units", 12))
        assert code == 0, err
        assert "best units" in out
        assert not any(name in out for name in PEOPLE)
    names = {path.name for path in (here / "one").iterdir()}
    assert {"locate.json", "scores.safetensors", "units.svg", "units.png", "manifest.json"} <= names
    for name in names - {"manifest.json"}:
        assert (here / "one" / name).read_bytes() == (here / "two" / name).read_bytes()
    found = json.loads((here / "one" / "locate.json").read_text())
    scores = load_file(here / "one" / "scores.safetensors")
    assert {f"{row['site']}.{kind}" for row in found["sites"] for kind in ("scores", "raw")} == set(scores)
    least = 0 if locator == "mlp" else 1  # no probe need rise in a random model
    assert least <= sum(row["units"] for row in found["sites"]) <= 12
    for row in found["sites"]:
        best = scores[f"{row['site']}.scores"].topk(min(3, row["units"])).values
        assert row["top_scores"][: len(best)] == pytest.approx(best.tolist())


def test_sparse_probing_also_writes_its_probes(here, capsys, checkpoint):
    code, out, _ = run(capsys, *locate(checkpoint("llama"), "probe", "out"))
    assert code == 0
    found = json.loads((here / "out" / "locate.json").read_text())
    assert {row["site"] for row in found["probes"]} == {"mlp_hidden.0", "mlp_hidden.1"}
    assert [row["inputs"] for row in found["chosen_probe"]] == ["chosen", "random basis", "random neurons"]
    assert (here / "out" / "probe-f1.svg").is_file()
    assert "F1 on the validation split, by k" in out


def test_a_dictionary_is_refused_where_it_has_no_meaning(here, capsys, checkpoint):
    code, _, err = run(capsys, *locate(checkpoint("gpt2"), "kn", "out", "--dictionary", "somewhere"))
    assert code == 2
    assert "no meaning" in err
    assert not (here / "out").exists()


@pytest.mark.usefixtures("here")
def test_an_unknown_locator_is_named_with_those_there_are(capsys):
    code, _, err = run(capsys, *locate("model", "tealeaves", "out"))
    assert code == 2
    assert "'tealeaves' is not one of kn, depn, probe" in err


def test_rows_hold_the_best_units_over_all_sites():
    from dictionaries.model.sites import Site

    scores = {Site(0): torch.tensor([3.0, 0.0, -1.0]), Site(1): torch.tensor([1.0, 2.0, 0.5])}
    rows = site_rows(Attribution(scores=scores, raw=scores, remainder=0.0, total_effect=1.0), 3)
    assert [(row.units, row.top_units) for row in rows] == [(1, (0,)), (2, (1, 0))]
    assert [row.share for row in rows] == [0.5, 0.5]
