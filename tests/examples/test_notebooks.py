"""The notebooks: committed without outputs, and executed: on a small lab each time, on the lab in the long checks."""

import ast
import inspect
import json
import tempfile
from importlib.util import find_spec
from pathlib import Path

import pytest
from tiny_lab import make_tiny_lab

import expunge
from editor.lab import find_lab

FOLDER = Path(__file__).parents[2] / "examples" / "notebooks"
NAMES = (
    "audit-and-erase",
    "circuits",
    "comparing",
    "dictionaries-to-circuits",
    "features-of-a-sae",
    "sparse-probing",
)
QUICK = {
    "audit-and-erase": {"settings": {"steps": 2, "warm_start_steps": 2}},
    "dictionaries-to-circuits": {"features": 32, "steps": 5},
    "features-of-a-sae": {"features": 32, "steps": 5},
}
"""Values of the cell tagged `parameters`, where a notebook is run only to see that it runs."""
by_name = pytest.mark.parametrize("name", NAMES)


def code_cells(name):
    book = json.loads((FOLDER / f"{name}.ipynb").read_text(encoding="utf-8"))
    return [cell for cell in book["cells"] if cell["cell_type"] == "code"]


def execute(name, **given):
    """Run the code cells in turn in one namespace, show what the last line of each gives, and return the namespace.

    Values that are given stand in for those of the cell tagged `parameters`.
    """
    names = {"__name__": "__main__"}
    for cell in code_cells(name):
        code = "".join(cell["source"])
        tree = ast.parse(code)
        last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, name, "exec"), names)
        if last is not None:
            shown = eval(compile(ast.Expression(last.value), name, "eval"), names)
            assert shown is None or (getattr(shown, "_repr_html_", None) or shown.__repr__)()
        if "parameters" in cell["metadata"].get("tags", ()):
            assert given.keys() <= names.keys()
            names.update(given)
    return names


def test_all_of_them_are_known():
    assert sorted(path.stem for path in FOLDER.glob("*.ipynb")) == sorted(NAMES)


@by_name
def test_it_is_committed_without_outputs(name):
    book = json.loads((FOLDER / f"{name}.ipynb").read_text(encoding="utf-8"))
    assert (book["nbformat"], book["nbformat_minor"]) == (4, 5)
    assert len({cell["id"] for cell in book["cells"]}) == len(book["cells"])
    assert book["cells"][0]["cell_type"] == "markdown"
    for cell in book["cells"]:
        if cell["cell_type"] == "code":
            assert (cell["outputs"], cell["execution_count"]) == ([], None)


@by_name
def test_what_it_imports_and_calls_is_there(name):
    for node in ast.walk(ast.parse("\n".join("".join(cell["source"]) for cell in code_cells(name)))):
        if isinstance(node, ast.ImportFrom):
            assert find_spec(node.module), node.module
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and hasattr(expunge, node.func.id):
            known = set(inspect.signature(getattr(expunge, node.func.id)).parameters)
            assert {keyword.arg for keyword in node.keywords if keyword.arg} <= known


@pytest.fixture(scope="module")
def tiny_lab(tmp_path_factory):
    return make_tiny_lab(find_lab(), tmp_path_factory.mktemp("lab"))


# Methods are compared in processes of their own, which import torch: that is left to the long checks.
@pytest.mark.parametrize("name", [name for name in NAMES if name != "comparing"])
def test_it_runs_on_a_small_lab(name, tiny_lab, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr("editor.lab.PLACES", (tiny_lab.folder,))
    execute(name, **QUICK.get(name, {}))


@pytest.mark.slow
@by_name
def test_it_runs_on_the_lab(name, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    names = execute(name)
    CHECKS[name](names)


def check_erasure(names):
    assert names["report"].exit_code == 1
    assert names["erased"].exit_code == 0
    assert names["checked"].exit_code == 0
    assert names["restored"].is_original


def check_features(names):
    assert set(names["trained"]) == {"gated", "binary"}
    assert names["located"].sites[0].units > 0
    assert names["view"].contexts


def check_probes(names):
    assert 0 < names["located"].finding.tables["chosen_probe"][0]["f1"] <= 1


def check_circuits(names):
    assert names["nodes"].finding.tables["faithfulness"][-1]["faithfulness"] == pytest.approx(1)
    assert names["layers"].finding.tables["layers"]


def check_comparison(names):
    assert {run.arm for run in names["comparison"].arms} >= {"feature-edit", "memit"}


def check_all_of_it(names):
    assert set(names["trained"]) == set(names["located"]) == set(names["views"]) == {"gated", "binary"}
    for found in names["located"].values():
        assert sum(row.units for row in found.sites) == 50
    assert all(view.contexts for view in names["views"].values())
    assert len(names["layers"]) == 4
    assert max(row["probe"] for row in names["layers"]) > 0.9
    assert names["circuit"].finding.tables["faithfulness"][-1]["faithfulness"] == pytest.approx(1)


CHECKS = {
    "audit-and-erase": check_erasure,
    "circuits": check_circuits,
    "comparing": check_comparison,
    "dictionaries-to-circuits": check_all_of_it,
    "features-of-a-sae": check_features,
    "sparse-probing": check_probes,
}
