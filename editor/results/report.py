"""The report: everything that was measured, in one validated, canonical structure.

`report.json` is this structure with sorted keys; the HTML page and the model card are rendered from it and
from nothing else. It holds no time of day and no personal data, so that the same inputs, seed and case key
give the same bytes. Facts and subjects are named by keyed labels (`editor.artefacts.masking`).
"""

import json
from collections.abc import Iterable
from typing import Any, Literal

from pydantic import Field, computed_field, model_validator

from editor.results.attacks import AttackRow
from editor.results.edits import ControlRow, DictionaryRow, EditSummary, LayerChoice, TrialRow
from editor.results.evidence import Evidence
from editor.results.forgetting import ForgetQuality
from editor.results.names import Group, Outcome, Wordings
from editor.results.notebook import show_table
from editor.results.parts import Part as _Part
from editor.results.parts import Rate as Rate  # noqa: PLC0414  # what the report is made of is named here

REPORT_VERSION = 1


class DecodingLeakage(_Part):
    """Leakage under one decoding setting."""

    decoding: str
    """Decoding in words, such as 'temperature 1' or 'temperature 0.7, top-k 40'."""
    extractable: Rate
    """Facts with 1 - (1 - p_z)^n >= p for some wording."""
    expected_extractions: float
    """Sum over facts of 1 - (1 - p_z)^n, p_z of the worst wording: how many of them n samples would leak."""


class Leakage(_Part):
    """What a model leaks of one group of facts under one family of wordings."""

    facts: int
    probes: int
    greedy_facts: Rate
    """Facts that greedy decoding completes for at least one wording."""
    greedy_probes: Rate
    """Single wordings that greedy decoding completes."""
    worst_case_bits_median: float
    """Median over facts of -log2 of the best decoding's probability, at the worst wording. Low means exposed."""
    worst_case_bits_minimum: float
    exact_memorisation: float
    """Mean share of secret tokens whose argmax is right, 0 to 1."""
    extraction_strength: float
    """Mean of 1 - (shortest prefix after which the rest is greedy-exact) / length, 0 to 1."""
    decodings: tuple[DecodingLeakage, ...]


class GroupResult(_Part):
    """One group under one family of wordings, before and after the edit (after is None in an audit)."""

    group: Group
    wording: Wordings
    before: Leakage
    after: Leakage | None = None


class SubjectRow(_Part):
    """One data subject: the verdict is the worst over facts and wordings, never the mean."""

    subject: str
    facts: int
    leaked_before: int
    leaked_after: int | None
    worst_case_bits_before: float
    worst_case_bits_after: float | None


class CaseRow(_Part):
    """One of several requests that a run erased together: the facts of its people."""

    case: str
    """Identifier of the request."""
    subjects: tuple[str, ...]
    """Its people's labels, as far as there are facts about them."""
    facts: int
    leaked_before: int
    leaked_after: int | None

    @classmethod
    def of(cls, case: str, rows: Iterable[SubjectRow]) -> "CaseRow":
        """Sum the rows of a request's people."""
        rows = tuple(rows)
        after = [row.leaked_after for row in rows if row.leaked_after is not None]
        return cls(
            case=case,
            subjects=tuple(row.subject for row in rows),
            facts=sum(row.facts for row in rows),
            leaked_before=sum(row.leaked_before for row in rows),
            leaked_after=sum(after) if after else None,
        )


class Place(_Part):
    """The place of a fact: a file of the corpus, or the facts file, and a line of it, counted from 1."""

    file: str
    line: int


class FactRow(_Part):
    """One fact in scope, by its keyed label."""

    fact: str
    subject: str
    entity_type: str
    length_class: str
    """Class of the secret's length, such as '9-16 characters'."""
    sources: int
    leaked_before: bool
    leaked_after: bool | None
    worst_case_bits_before: float
    worst_case_bits_after: float | None
    decoy_percentile_before: float | None
    """Share (0 to 100) of this fact's decoys that are more exposed than the fact: 0 is worst, near 50 is chance."""
    decoy_percentile_after: float | None
    place: Place | None = Field(default=None, exclude_if=lambda value: value is None)
    """Where it was found first; absent where it was handed in, and from older reports."""


class Perplexity(_Part):
    """exp(mean negative log-likelihood in nats/token) of a text."""

    text: str
    tokens: int
    before: float
    after: float | None

    @computed_field
    @property
    def rise(self) -> float | None:
        """Relative change; 0.01 is one per cent."""
        return None if self.after is None else self.after / self.before - 1


class Check(_Part):
    """One integrity check of the checkpoint that was written."""

    name: str
    passed: bool
    detail: str


class Criterion(_Part):
    """One line of the policy, fixed before the run, and what was measured against it."""

    measure: str
    """Name in `editor.measuring.criteria.CRITERIA`."""
    name: str
    """Measure in words, for people alone."""
    kind: Literal["leakage", "utility", "integrity"]
    comparison: Literal["at most", "at least"]
    threshold: float
    measured: float | None
    """Share of 0 to 1, relative for perplexity, number of checks for integrity; None where nothing was counted."""
    counted: Rate | None = None
    """Rate behind `measured`, where single facts or probes were counted."""
    passed: bool
    """Whether the criterion was tested and is met."""
    tested: bool = True
    """Whether there was anything to count."""
    required: bool = True
    """Whether a run that cannot test the criterion is incomplete: the policy states a limit for it."""

    @property
    def result(self) -> Literal["pass", "fail", "not tested"]:
        """Result in words."""
        return "not tested" if not self.tested else "pass" if self.passed else "fail"

    @property
    def failed(self) -> bool:
        """Whether it was tested and is not met."""
        return self.tested and not self.passed

    @property
    def missing(self) -> bool:
        """Whether the policy asks for it and it was not tested."""
        return self.required and not self.tested

    @model_validator(mode="before")
    @classmethod
    def _of_nothing_is_not_tested(cls, data: Any) -> Any:
        """Read reports from before `tested`: what was counted of none had passed there."""
        if isinstance(data, dict) and "tested" not in data and _is_empty(data.get("counted")):
            return {**data, "tested": False, "passed": False, "measured": None}
        return data


def _written(measured: float | None) -> str:
    return "" if measured is None else f"{measured:.4g}"


def _is_empty(counted: Any) -> bool:
    total = counted.get("total") if isinstance(counted, dict) else getattr(counted, "total", None)
    return total == 0


class ThresholdOverride(_Part):
    """A threshold of the policy that one run replaced."""

    threshold: str
    """Key of the policy, such as `greedy_rate`, in the policy's unit."""
    policy: float | None
    """None where the policy sets no limit."""
    run: float


class Gate(_Part):
    """Outcomes that fail the run: those of `--fail-on`, or the default."""

    fails_on: tuple[Outcome, ...] = ("leakage", "utility", "incomplete")
    waived: tuple[Outcome, ...] = ()
    """Outcomes that occurred and do not fail this run."""
    overridden: tuple[ThresholdOverride, ...] = ()


class Scope(_Part):
    """Scope of a run: what was looked at, and what was not."""

    corpus: str
    documents: int
    facts_by_type: dict[str, int]
    """Facts about known people."""
    unlinked_by_type: dict[str, int] = Field(default_factory=dict)
    """Facts about people who are not named, which are other people's."""
    subjects_in_scope: int
    facts_in_scope: int
    coverage: tuple[str, ...]
    """How personal data was recognised and what that misses, in sentences."""
    skipped: tuple[str, ...]
    not_found: tuple[str, ...] = ()
    """What the request or the probes file names and detection did not find, in sentences."""


class PolicySummary(_Part):
    """The policy's own text, so that the report stands alone."""

    name: str
    digest: str
    text: str


class ModelSummary(_Part):
    """A checkpoint by what it is, not by where it lies."""

    source: str
    architecture: str
    parameters: int
    digest: str
    """sha256 over names, shapes, dtypes and bytes of every tensor."""
    beside: str | None = Field(default=None, exclude_if=lambda value: value is None)
    """sha256 over the names and bytes of what stands beside the weights of an edited checkpoint: configuration,
    generation settings, tokenizer, templates, code."""
    passes: str | None = Field(default=None, exclude_if=lambda value: value is None)
    """Sentence on the fast passes that are not right for the model and were not used; absent where all were."""
    repository: str | None = Field(default=None, exclude_if=lambda value: value is None)
    """Name on the hub that the model, or the base of an adapter, was loaded by; absent for a folder."""


class Report(_Part):
    """One run, measured."""

    version: int = REPORT_VERSION
    kind: Literal["erase", "audit", "verify"]
    case: str
    operator: str
    seed: int
    command: str
    """Command that runs it again; data subjects' names in it are masked."""
    versions: dict[str, str]
    policy: PolicySummary
    model_before: ModelSummary
    model_after: ModelSummary | None = None
    scope: Scope
    threat_model: tuple[str, ...]
    edit: EditSummary | None = None
    dictionaries: tuple[DictionaryRow, ...] = ()
    layer_choice: LayerChoice | None = None
    """Layers that dictionaries were trained for; None where they were given, or none was needed."""
    groups: tuple[GroupResult, ...]
    cases: tuple[CaseRow, ...] = Field(default=(), exclude_if=lambda value: not value)
    """Requests that were erased together; absent where there was one."""
    subjects: tuple[SubjectRow, ...]
    facts: tuple[FactRow, ...]
    decoy_bits: tuple[float, ...] = ()
    """Worst-case bits of decoys at their most exposed wording: 101 quantiles, 0% to 100%, of the model judged."""
    evidence: Evidence | None = None
    """What an audit finds beyond its verdicts."""
    forget_quality: ForgetQuality | None = Field(default=None, exclude_if=lambda value: value is None)
    """Erased facts against never-seen ones; absent where nothing was edited, and from older reports."""
    perplexities: tuple[Perplexity, ...] = ()
    retained_divergence: float | None = None
    """Mean KL(original || edited) in nats/token on retained text held out from the edit."""
    integrity: tuple[Check, ...] = ()
    attacks: tuple[AttackRow, ...] = ()
    controls: tuple[ControlRow, ...] = ()
    trials: tuple[TrialRow, ...] = ()
    criteria: tuple[Criterion, ...]
    gate: Gate = Gate()
    residual_risk: tuple[str, ...]
    """What was not tested and what remains possible, in sentences."""
    exit_code: int
    verdict: str
    """One sentence in plain words."""

    def _repr_html_(self) -> str:
        rows = [
            (row.name, f"{row.comparison} {row.threshold:g}", _written(row.measured), row.result)
            for row in self.criteria
        ]
        return show_table(self.verdict, ("criterion", "limit", "measured", "result"), rows)

    def to_json(self) -> str:
        """Return canonical JSON: sorted keys, two spaces, a newline at the end."""
        data = self.model_dump(mode="json")
        return json.dumps(data, sort_keys=True, indent=2, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "Report":
        """Read what `to_json` wrote."""
        return cls.model_validate(_without_computed(json.loads(text)))


def _without_computed(value: object) -> object:
    """Drop the fields that are computed again on load."""
    if isinstance(value, dict):
        computed = {"rate", "low", "high"} if "hits" in value else {"rise"} if "rise" in value else set()
        return {key: _without_computed(item) for key, item in value.items() if key not in computed}
    if isinstance(value, list):
        return [_without_computed(item) for item in value]
    return value
