"""What a report says of risks: of an edit in a run that edited, and not in an audit."""

from types import SimpleNamespace

from editor.attacks.running import untested_attacks
from editor.measuring.summaries import AUDIT_THREAT_MODEL, THREAT_MODEL, residual_risk

CASE = SimpleNamespace(
    scope=SimpleNamespace(skipped=("a",)), unchecked=("Earlier facts were not asked for.",)
)


def test_an_audit_speaks_of_no_edit():
    said = " ".join([*residual_risk(CASE), *AUDIT_THREAT_MODEL])
    assert not [word for word in ("erase", "edit", "Relearning") if word in said]
    assert "1 document was not wholly scanned" in said
    assert "Earlier facts were not asked for." in said
    assert "Hidden states were not probed" in said


def test_an_edit_is_told_with_the_attacks_that_were_not_tried():
    attacks = tuple(untested_attacks(()))
    said = residual_risk(CASE, attacks)
    assert "was erased" in said[0]
    assert set(attacks) < set(said)
    assert "edited weights" in THREAT_MODEL[0]
