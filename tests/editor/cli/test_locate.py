"""`expunge locate`: every locator's scores, tables and figures, from the command line, the same bytes each time."""

import json

import pytest
import torch
from safetensors.torch import load_file
from six_people import PEOPLE, POLICY

from editor.cli import main
from editor.locators import LOCATORS
from editor.locators.blocks import Node
from editor.locators.features import Attribution
from editor.locators.finding import site_rows
from editor.locators.nodes import NodeScores
from editor.locators.weight_mask import WeightMask

NEURONS = [name for name, entry in LOCATORS.items() if not entry.needs_dictionary]


@pytest.fixture(autouse=True)
def _short_masks(monkeypatch):
    """How good a mask gets is judged elsewhere."""
    monkeypatch.setitem(WeightMask.__init__.__kwdefaults__, "steps", 20)


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
    for output, as_json in (("one", ()), ("two", ("--json",))):
        code, out, err = run(capsys, *locate(model, locator, output, "--units", 12, *as_json))
        assert code == 0, err
        assert ("best units" in out) is (not as_json)
        assert not any(name in out for name in PEOPLE)
    told = json.loads(out)
    assert (told["command"], told["locator"], told["subjects"]) == ("locate", locator, 2)
    names = {path.name for path in (here / "one").iterdir()}
    assert {"locate.json", "scores.safetensors", "units.svg", "units.png", "manifest.json"} <= names
    for name in names - {"manifest.json"}:
        assert (here / "one" / name).read_bytes() == (here / "two" / name).read_bytes()
    found = json.loads((here / "one" / "locate.json").read_text())
    assert told["sites"] == found["sites"]
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


@pytest.mark.parametrize("locator", ["nodes", "mask", "mlp"])
def test_a_circuit_has_as_many_units_as_its_locator_chooses_unless_it_is_said(
    here, capsys, checkpoint, locator
):
    model = checkpoint("gpt2")
    assert run(capsys, *locate(model, locator, "own"))[0] == 0
    found = json.loads((here / "own" / "locate.json").read_text())
    scores = [
        float(one)
        for name, site in load_file(here / "own" / "scores.safetensors").items()
        if name.endswith(".scores")
        for one in site
    ]
    chosen = {
        "nodes": lambda: sum((row["exact"] or 0) > 0 for row in found["nodes"]),
        "mask": lambda: sum(score > min(row["density"] for row in found["composition"]) for score in scores),
        "mlp": lambda: sum(score > 0 for score in scores),
    }[locator]()
    assert found["units"] == chosen
    assert sum(row["units"] for row in found["sites"]) == chosen
    assert run(capsys, *locate(model, locator, "said", "--units", 3))[0] == 0
    said = json.loads((here / "said" / "locate.json").read_text())
    assert said["units"] == 3
    assert sum(row["units"] for row in said["sites"]) == min(3, sum(score > 0 for score in scores))


def test_nodes_are_located_where_exact_patching_confirms_them():
    nodes = [Node(0, 0), Node(0, 1), Node(0), Node(1)]
    raw = dict(zip(nodes, (4.0, 3.0, 2.0, -1.0), strict=True))
    exact = {nodes[0]: 0.5, nodes[1]: -0.1}
    found = NodeScores(raw=raw, exact=exact, embedding=1.0, total_effect=1.0)
    assert found.confirmed() == [nodes[0]]
    (site,) = (site for site, units in found.attribution().top(1).items() if len(units))
    assert site == nodes[0].site


def test_what_was_not_scanned_is_named_and_exits_4(here, capsys, checkpoint):
    lines = [
        json.dumps(
            {"text": f"{name} reads mail at {name.split()[0].lower()}@example.com.", "subjects": [name]}
        ).encode()
        for name in PEOPLE
    ]
    (here / "policy.yaml").write_text(POLICY.replace("PHONE_NUMBER", "EMAIL_ADDRESS"))
    (here / "corpus.jsonl").write_bytes(b"\n".join([*lines, b'{"text": "Broken \xff\xfe bytes."}']) + b"\n")
    arguments = ("--corpus", "corpus.jsonl", "--policy", "policy.yaml", "--output", "out", "--quiet")
    code, out, err = run(capsys, "locate", checkpoint("gpt2"), "--locator", "depn", *arguments)
    assert code == 4, err
    assert f"1 of {len(PEOPLE) + 1} documents were not wholly scanned:\n  line 7: " in out
    found = json.loads((here / "out" / "locate.json").read_text())
    assert found["documents"] == len(PEOPLE) + 1
    assert [line.partition(":")[0] for line in found["skipped"]] == ["line 7"]
    assert found["coverage"]


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
