"""Work that a stopped run leaves for the next."""

from dataclasses import dataclass, replace

import pytest
import torch
from problems import make_problem

from dictionaries.model.sites import Site
from editor.edits.edit import Delta, Edit, MaskedDelta
from editor.kept_work import NOTHING_KEPT, Form, KeptWork, digest_of
from editor.locators.features import Attribution
from editor.locators.kept import ATTRIBUTION, SCORES
from editor.methods import METHODS
from editor.tuning import kept_fits
from editor.tuning.kept_fits import fit_once
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
    *(torch.float16, Point(1.0), Point(1.0, Point(1.0)), Point(2.0), torch.nn.Linear(1, 1, bias=False)),
]


def test_digests_are_equal_for_equal_values_alone():
    digests = [digest_of(value) for value in VALUES]
    assert len(set(digests)) == len(VALUES)
    assert digests == [digest_of(value) for value in VALUES]
    assert digest_of({"a": 1, "b": 2}) == digest_of({"b": 2, "a": 1})
    assert digest_of(torch.eye(2)) == digest_of(torch.eye(2).T)


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
