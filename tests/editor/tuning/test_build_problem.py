"""What is asked while an edit is fitted: some of everything, however much of one kind there is."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
from people import probe

from editor.tuning import build_problem
from editor.tuning.build_problem import _rephrased, _retained_probes, _spread
from policies import load_policy


@pytest.mark.parametrize(
    ("count", "most", "expected"),
    [(0, 3, []), (2, 3, [0, 1]), (6, 3, [0, 2, 4]), (7, 3, [0, 2, 4]), (3, 3, [0, 1, 2])],
)
def test_what_is_spread_comes_from_all_parts(count, most, expected):
    assert _spread(range(count), most) == expected


def test_who_is_named_very_often_leaves_room_for_others(monkeypatch):
    monkeypatch.setattr(build_problem, "RETAINED_PROBES", 20)
    mine = [probe("Ada Quill", f"a{n}", f"Ada Quill {n} is", group="same_subject") for n in range(300)]
    others = [probe("Bo Reed", f"b{n}", f"Bo Reed {n} is", group="others") for n in range(300)]
    chosen = _retained_probes(SimpleNamespace(probes=(*mine, *others), seed=0))
    assert [one.target.group for one in chosen].count("same_subject") == 10
    assert len(chosen) == 20


def test_verification_keeps_its_prompts_to_itself():
    policy = load_policy("gdpr")
    asked = replace(probe("Ada Quill", "415-555-0132", "Ada Quill answers at"), wording="trained")
    other = replace(probe("Bo Reed", "415-555-0133", "To call Bo Reed, dial"), wording="trained")
    held_out = replace(other, prompt="To call Ada Quill, dial", split="verification")
    case = SimpleNamespace(probes=(asked, other), policy=policy, seed=0)
    assert "To call Ada Quill, dial" in {one.prompt for one in _rephrased(case, [asked])}
    case = SimpleNamespace(probes=(asked, other, held_out), policy=policy, seed=0)
    assert "To call Ada Quill, dial" not in {one.prompt for one in _rephrased(case, [asked])}
