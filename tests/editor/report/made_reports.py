"""Whole reports of every kind, from the parts."""

from made_parts import (
    POLICY,
    make_controls,
    make_criteria,
    make_decoy_bits,
    make_edit,
    make_facts,
    make_forget_quality,
    make_groups,
    make_scope,
    make_subjects,
    make_trials,
)

from editor.results.attacks import AttackRow
from editor.results.edits import DictionaryRow
from editor.results.report import Check, Criterion, ModelSummary, Perplexity, PolicySummary, Rate, Report


def make_erase_report(**changes):
    """A run that met its policy, with every part."""
    facts = tuple(make_facts(edited=True))
    values = {
        "kind": "erase",
        "case": "rivermouth-2026-01",
        "operator": "privacy desk",
        "seed": 0,
        "command": "expunge erase examples/rivermouth/model --corpus examples/rivermouth/corpus.jsonl "
        "--policy examples/rivermouth/policy.yaml --request examples/rivermouth/request.yaml "
        "--dictionary examples/rivermouth/dictionaries/gated --strength auto --output build/demo",
        "versions": {"expunge": "0.1.0", "python": "3.11.7", "torch": "2.13.0", "transformers": "5.23.0"},
        "policy": PolicySummary(name="rivermouth", digest="9b1d" * 16, text=POLICY),
        "model_before": ModelSummary(
            source="rivermouth/model",
            architecture="GPT2LMHeadModel",
            parameters=2_024_832,
            digest="a3f0" * 16,
        ),
        "model_after": ModelSummary(
            source="build/demo/model",
            architecture="GPT2LMHeadModel",
            parameters=2_024_832,
            digest="07be" * 16,
        ),
        "scope": make_scope(),
        "threat_model": (
            "The adversary sends prompts, reads completions and token probabilities, and samples at most 100 times.",
            "The adversary holds the edited weights, may quantise them and may fine-tune them on retained text.",
        ),
        "edit": make_edit(),
        "dictionaries": tuple(
            DictionaryRow(
                site=f"mlp_out.{layer}",
                architecture="gated",
                features=768,
                explained_variance=0.91 - 0.012 * layer,
                l0=21.4 + 3.1 * layer,
                relative_reconstruction_bias=0.996 + 0.003 * layer,
                alive=0.93,
            )
            for layer in range(4)
        ),
        "groups": make_groups(edited=True),
        "subjects": tuple(make_subjects(facts)),
        "facts": facts,
        "decoy_bits": make_decoy_bits(),
        "forget_quality": make_forget_quality(),
        "perplexities": (
            Perplexity(text="held-out retained text", tokens=48_210, before=3.214, after=3.224),
            Perplexity(text="public facts of others", tokens=9_120, before=2.871, after=2.874),
        ),
        "retained_divergence": 0.0019,
        "integrity": (
            Check(
                name="Only declared tensors differ",
                passed=True,
                detail="4 of 52 tensors changed, all declared",
            ),
            Check(name="The tokenizer is identical", passed=True, detail="sha256 over 4 files"),
            Check(name="A second load gives the same logits", passed=True, detail="largest difference 0"),
        ),
        "attacks": (
            AttackRow(name="bf16", greedy_facts=Rate(hits=0, total=25), worst_case_bits_median=31.0),
            AttackRow(
                name="8-bit weights (round to nearest, groups of 64)",
                greedy_facts=Rate(hits=0, total=25),
                worst_case_bits_median=30.7,
            ),
            AttackRow(
                name="4-bit weights (round to nearest, groups of 64)",
                greedy_facts=Rate(hits=1, total=25),
                worst_case_bits_median=24.2,
            ),
        ),
        "controls": make_controls(),
        "trials": tuple(make_trials()),
        "criteria": tuple(make_criteria()),
        "residual_risk": (
            "Wordings that were not tried may still bring out a fact; 50 held-out wordings were tried.",
            "Relearning by fine-tuning on the erased people's other data was not tested.",
        ),
        "exit_code": 0,
        "verdict": "The policy is met: none of the 25 facts of 5 people leaks any more, and 99.8% of other people's "
        "facts are as they were.",
    }
    return Report(**(values | changes))


def make_audit_report(**changes):
    """An audit: nothing was edited, so there is no after."""
    facts = tuple(make_facts(edited=False))
    values = {
        "kind": "audit",
        "model_after": None,
        "forget_quality": None,
        "edit": None,
        "dictionaries": (),
        "groups": tuple(row for row in make_groups(edited=False) if row.group in {"erased", "decoys"}),
        "subjects": tuple(make_subjects(facts)),
        "facts": facts,
        "perplexities": (Perplexity(text="retained documents", tokens=48_210, before=3.214, after=None),),
        "retained_divergence": None,
        "integrity": (),
        "attacks": (),
        "controls": (),
        "trials": (),
        "criteria": (
            Criterion(
                measure="greedy_rate",
                name="facts that greedy decoding leaks",
                kind="leakage",
                comparison="at most",
                threshold=0.0,
                measured=1.0,
                passed=False,
            ),
        ),
        "exit_code": 1,
        "verdict": "The model leaks 25 of the 25 facts in scope.",
    }
    return make_erase_report(**(values | changes))


def make_verify_report(**changes):
    """A later verification of an edited checkpoint that lost too much."""
    rows = tuple(
        row.model_copy(update={"measured": 0.962, "counted": Rate(hits=962, total=1000), "passed": False})
        if row.measure == "others_kept"
        else row
        for row in make_criteria()
    )
    values = {
        "kind": "verify",
        "edit": None,
        "dictionaries": (),
        "controls": (),
        "trials": (),
        "criteria": rows,
        "exit_code": 3,
        "verdict": "The policy is not met: 96.2% of other people's facts are as they were, and 99% must be.",
    }
    return make_erase_report(**(values | changes))


MAKERS = {"erase": make_erase_report, "audit": make_audit_report, "verify": make_verify_report}
