"""Work that a stopped run leaves for the next."""

import json
import math
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import torch
from problems import make_problem

from detectors.files import file_digest
from dictionaries.model.sites import Site
from editor.api.kept import REPORT, about_to_end, is_ended, keep_work
from editor.api.requests import AuditRequest, EraseRequest
from editor.edits.edit import Delta, Edit, MaskedDelta
from editor.kept_work import NOTHING_KEPT, Form, KeptWork, digest_of, json_form
from editor.locators.features import Attribution
from editor.locators.kept import ATTRIBUTION, SCORES, masks_on
from editor.measuring.kept_measures import SCORES as SCORES_KEPT
from editor.measuring.leakage import Scores
from editor.methods import METHODS
from editor.results.evidence import Confirmation, ExposureRow
from editor.results.parts import Rate
from editor.tuning import kept_fits
from editor.tuning.kept_fits import fit_once
from policies import ErasureRequest, load_policy
from policies.errors import EditError, OutputError

TEXT = Form(
    write=lambda text, folder: (folder / "text").write_text(text),
    read=lambda folder: (folder / "text").read_text(),
)


@dataclass(frozen=True)
class Point:
    x: float
    y: object = None


def once(work, *inputs, made="made"):
    calls = []
    found = work.once("text", inputs, TEXT, lambda: calls.append(1) or made)
    return found, len(calls)


def test_equal_inputs_are_made_from_once_and_others_anew(tmp_path):
    work = KeptWork(folder=tmp_path / "kept", inputs=("version 1",))
    assert once(work, "a", 1) == ("made", 1)
    assert once(work, "a", 1, made="again") == ("made", 0)
    assert once(work, "a", 2)[1] == 1
    assert once(work.based_on("a"), 1)[1] == 1
    assert once(KeptWork(folder=work.folder, inputs=("version 2",)), "a", 1)[1] == 1
    work.remove()
    assert not work.folder.exists()
    assert once(work, "a", 1)[1] == 1


def test_nothing_is_kept_without_a_folder(tmp_path):
    assert [once(NOTHING_KEPT, "a")[1] for _ in range(2)] == [1, 1]
    NOTHING_KEPT.remove()
    assert not list(tmp_path.iterdir())


def test_what_breaks_while_it_is_made_or_written_leaves_nothing(tmp_path):
    def broken(*_):
        raise RuntimeError

    work = KeptWork(folder=tmp_path)
    with pytest.raises(RuntimeError):
        work.once("text", (), TEXT, broken)
    with pytest.raises(RuntimeError):
        work.once("text", (), replace(TEXT, write=broken), lambda: "made")
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_said_to_be_that(tmp_path):
    def full(*_):
        raise OSError(28, "No space left on device")

    with pytest.raises(OutputError, match="No space left"):
        KeptWork(folder=tmp_path).once("text", (), replace(TEXT, write=full), lambda: "made")


def test_a_damaged_piece_is_made_again(tmp_path):
    def damaged(_):
        raise EditError("damaged", "")

    work = KeptWork(folder=tmp_path)
    once(work)
    assert work.once("text", (), replace(TEXT, read=damaged), lambda: "again") == "again"
    assert once(work) == ("again", 0)


def test_a_piece_that_was_changed_is_made_again(tmp_path):
    work = KeptWork(folder=tmp_path / "kept")
    once(work)
    (piece,) = work.folder.iterdir()
    (piece / "text").write_text("forged")
    assert once(work, made="again") == ("again", 1)
    (piece / "digests.json").unlink()
    assert once(work, made="once more") == ("once more", 1)


def test_nobody_else_may_look_and_what_others_put_there_stays(tmp_path):
    work = KeptWork(folder=tmp_path / "kept")
    once(work)
    assert {path.stat().st_mode & 0o777 for path in (work.folder, *work.folder.iterdir())} == {0o700}
    (work.folder / "thesis.tex").write_text("mine")
    work.remove()
    assert [path.name for path in work.folder.iterdir()] == ["thesis.tex"]


def test_none_and_numbers_that_are_none_are_kept_too(tmp_path):
    work = KeptWork(folder=tmp_path)
    confirmation = json_form(Confirmation | None)
    assert [work.once("confirmation", (), confirmation, made) for made in (lambda: None, pytest.fail)] == [
        None
    ] * 2
    row = ExposureRow(
        entity_type="DATE_TIME",
        facts=2,
        candidates=3,
        median=math.nan,
        highest=-math.inf,
        at_first_rank=Rate(hits=1, total=3),
    )
    form = json_form(tuple[ExposureRow, ...])
    made, again = (work.once("exposure", (), form, make) for make in (lambda: (row,), pytest.fail))
    assert repr(made) == repr(again)
    assert made[0].model_dump_json() == again[0].model_dump_json()
    piece = next(path for path in tmp_path.iterdir() if path.name.startswith("exposure"))
    (piece / "value.json").write_text('[{"facts": "many"}]')
    digests = {path.name: file_digest(path) for path in piece.iterdir() if path.name != "digests.json"}
    (piece / "digests.json").write_text(json.dumps(digests))
    assert work.once("exposure", (), form, tuple) == ()


def test_scores_come_back_bit_for_bit(tmp_path):
    scores = Scores(
        greedy=np.array([True, False]),
        exact_memorisation=np.array([1.0, 1 / 3]),
        extraction_strength=np.zeros(2),
        worst_case_bits=np.array([0.1, np.nan]),
        log_probability=np.array([-1e-300, -5.0]),
        log_p_z=np.array([[-np.inf, -2.0], [-3.0, -1 / 7]]).T,
        tokens=np.array([3, 4]),
    )
    work = KeptWork(folder=tmp_path)
    made, again = (work.once("scores", (), SCORES_KEPT, make) for make in (lambda: scores, pytest.fail))
    assert digest_of(made) == digest_of(again)
    (piece,) = tmp_path.iterdir()
    (piece / "scores.safetensors").write_bytes(b"damaged")
    assert work.once("scores", (), SCORES_KEPT, lambda: scores) is scores


def test_what_was_being_written_is_cleared_away_and_the_rest_stays(tmp_path):
    work = KeptWork(folder=tmp_path / "kept")
    once(work)
    (half,) = (path.with_name(f"{path.name}.partial-0123abcd") for path in work.folder.iterdir())
    half.mkdir()
    work.clear()
    assert not half.exists()
    assert once(work) == ("made", 0)
    work.remove()
    work.clear()
    assert not work.folder.exists()


def test_two_that_make_the_same_at_once_do_not_hinder_each_other(tmp_path):
    work = KeptWork(folder=tmp_path)
    made = work.once("text", (), TEXT, lambda: once(work, made="theirs") and "mine")
    assert made == "mine"
    assert once(work) == ("theirs", 0)


def test_that_a_run_has_ended_is_said_of_its_own_report_and_request(tmp_path):
    work, report = KeptWork(folder=tmp_path / "kept"), tmp_path / "report.json"
    assert not work.has_ended_with(report, "erase")
    report.write_text("{}")
    assert not work.has_ended_with(report, "erase")
    work.end_with(report, "erase", {"model": Path("m")})
    assert work.has_ended_with(report, "erase", {"model": Path("m")})
    assert not work.has_ended_with(report, "erase", {"model": Path("n")})
    report.write_text("another")
    assert not work.has_ended_with(report, "erase", {"model": Path("m")})
    work.remove()
    assert not work.folder.exists()
    NOTHING_KEPT.end_with(report, "erase")
    assert not NOTHING_KEPT.has_ended_with(report, "erase")


@pytest.mark.parametrize("kept", [True, False])
def test_a_fit_has_one_order_and_layout_whether_it_was_made_or_read(loaded, tmp_path, monkeypatch, kept):
    """Norms are sums in the order of parameters, and random changes are drawn in it; strides decide how one rounds."""

    def fit(*_):
        right = torch.arange(6.0).reshape(3, 2).T
        deltas = {name: Delta(left=torch.ones(2, 2).T, right=right) for name in ("h.2", "h.10")}
        return Edit(deltas=deltas, method="m", settings={"steps": 2, "rate": 0.1})

    monkeypatch.setattr(kept_fits, "fit_method", fit)
    problem, method = make_problem(loaded("llama")), METHODS["feature-edit"].make()
    work = KeptWork(folder=tmp_path) if kept else NOTHING_KEPT
    made, again = (fit_once(work, method, problem) for _ in range(2))
    for edit in (made, again):
        assert list(edit.deltas) == ["h.10", "h.2"]
        assert list(edit.settings) == ["rate", "steps"]
        assert all(delta.right.stride() == (3, 1) for delta in edit.deltas.values())
    assert bool(list(tmp_path.iterdir())) is kept


def test_masks_and_what_a_locator_finds_are_found_once_by_runs_too(loaded, tmp_path):
    problem = make_problem(loaded("llama")).changed(work=KeptWork(folder=tmp_path))
    masks = {"b": torch.tensor([True, False]), "a": torch.eye(2).bool()}
    form = masks_on(torch.device("cpu"))
    made, again = (problem.keep("masks", "locator", form, make) for make in (lambda: masks, pytest.fail))
    assert list(made) == list(again) == ["a", "b"]
    assert digest_of(made) == digest_of(again) == digest_of(masks)
    (piece,) = tmp_path.iterdir()
    (piece / "masks.safetensors").write_bytes(b"damaged")
    assert digest_of(problem.keep("masks", "locator", form, lambda: masks)) == digest_of(masks)


VALUES = [
    *(
        None,
        True,
        1,
        1.0,
        "1",
        b"1",
        "",
        (),
        [1, True],
        [1, 1],
        [1],
        [[1]],
        [1, [1]],
        {"a": 1},
        {"a": "1"},
        {1: "a"},
    ),
    *(torch.ones(2), torch.ones(2, 1), torch.ones(2).half(), torch.zeros(2), torch.ones(()), torch.ones(0)),
    *(date(2000, 1, 2), date(2000, 2, 1)),
    *({1, 2}, frozenset({1}), Rate(hits=1, total=2), Rate(hits=2, total=2)),
    *(torch.float16, Point(1.0), Point(1.0, Point(1.0)), Point(2.0), torch.nn.Linear(1, 1, bias=False)),
]


def test_digests_are_equal_for_equal_values_alone():
    digests = [digest_of(value) for value in VALUES]
    assert len(set(digests)) == len(VALUES)
    assert digests == [digest_of(value) for value in VALUES]
    assert digest_of({"a": 1, "b": 2}) == digest_of({"b": 2, "a": 1})
    assert digest_of(torch.eye(2)) == digest_of(torch.eye(2).T)


def test_a_run_that_ended_is_the_same_however_it_is_watched(tmp_path):
    asked = AuditRequest("m", corpus="c", output=tmp_path / "out", progress=True, estimate=True, command="x")
    work = keep_work(asked, resume=True)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / REPORT).write_text("{}")
    about_to_end(asked, work, tmp_path / "out")
    quiet = replace(asked, progress=False, estimate=False, command=None)
    assert is_ended(asked, work)
    assert is_ended(quiet, work)
    assert not is_ended(replace(quiet, seed=7), work)


@pytest.mark.parametrize("policy", ["gdpr", load_policy("gdpr"), load_policy("strict")])
def test_every_request_has_a_digest_however_it_is_given(policy):
    named = ErasureRequest(case="c", subjects=({"name": "Ada Quill", "born": "1990-02-03"},))
    other = ErasureRequest(case="c", subjects=({"name": "Ada Quill", "born": "1990-02-04"},))
    asked = [
        EraseRequest(
            "m",
            corpus=Path("c"),
            policy=policy,
            request=one,
            output="o",
            site=Site(3),
            dictionary=Path("d"),
            settings={"units": 3},
        )
        for one in (named, other)
    ]
    assert digest_of(asked[0]) == digest_of(replace(asked[0]))
    assert digest_of(asked[0]) != digest_of(asked[1])
    assert digest_of(AuditRequest("m", corpus="c", policy=policy, request=named, also_erased=[other]))


def test_what_has_no_content_has_no_digest():
    with pytest.raises(TypeError):
        digest_of([object()])


@pytest.mark.parametrize("name", METHODS)
def test_every_methods_settings_have_a_digest(name):
    made = METHODS[name].make() if METHODS[name].family != "random" else None
    if made is not None:
        assert digest_of(made) == digest_of(METHODS[name].make())


def test_a_fit_and_its_start_are_told_apart(loaded, tmp_path, monkeypatch):
    made = []

    def fit(*given):
        made.append(given)
        delta = Delta(left=torch.randn(3, 1), right=torch.randn(1, 2))
        mask = torch.tensor([True, False])
        masked = MaskedDelta(mask=mask, values=torch.randn(1))
        return Edit(deltas={"a": delta, "b": masked}, method="m", settings={"rate": 0.1})

    monkeypatch.setattr(kept_fits, "fit_method", fit)
    problem, method = make_problem(loaded("llama")), METHODS["feature-edit"].make()
    work = KeptWork(folder=tmp_path)
    first = fit_once(work, method, problem, None)
    again = fit_once(work, method, problem, None)
    assert len(made) == 1
    assert digest_of(first) == digest_of(again)
    fit_once(work, method, problem, first)
    fit_once(work, replace(method, seed=1), problem, None)
    fit_once(work, method, problem.changed(erase=problem.erase[:1], chance=problem.chance[:1]), None)
    assert len(made) == 4


def test_an_attribution_comes_back_bit_for_bit(tmp_path):
    scores = {Site(10): torch.randn(4), Site(2, "attn_out"): torch.randn(3)}
    found = Attribution(scores=scores, raw={Site(10): torch.randn(4)}, remainder=0.1, total_effect=1 / 3)
    work = KeptWork(folder=tmp_path)
    made = work.once("attribution", (1,), ATTRIBUTION, lambda: found)
    again = work.once("attribution", (1,), ATTRIBUTION, lambda: None)
    assert digest_of(again) == digest_of(found) == digest_of(made)
    assert list(again.scores) == list(made.scores) == sorted(scores)
    (place,) = tmp_path.iterdir()
    (place / SCORES).write_bytes(b"damaged")
    assert work.once("attribution", (1,), ATTRIBUTION, lambda: made).scores is not again.scores
