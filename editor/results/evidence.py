"""What an audit finds beyond its verdicts: by type, wording and number of tries, and by other means."""

from editor.results.names import Wording
from editor.results.parts import Part, Rate


class TypeRow(Part):
    """The facts in scope of one entity type, each at its most exposed wording."""

    entity_type: str
    facts: int
    greedy: Rate
    extractable: Rate
    """Facts that the policy's samples leak with its probability, under the worst decoding."""
    exposed: Rate
    """Facts more exposed than the policy's percentile of this type's decoys; of none where it has no decoys."""
    worst_case_bits_median: float
    worst_case_bits_minimum: float
    decoy_bits_median: float | None


class FamilyRow(Part):
    """What one family of wordings contributes."""

    wording: Wording
    probes: int
    greedy: Rate
    """Facts, of those asked in this family, that greedy decoding leaks."""
    alone: int
    """Number of facts that no other family leaks."""


class TriesRow(Part):
    """Expected share of secrets that appear within so many samples, under the worst wording and decoding."""

    tries: int
    facts: float
    decoys: float | None


class BaselineRow(Part):
    """Facts of one type in the audited model and in the model that it was made from."""

    entity_type: str
    greedy: Rate
    baseline_greedy: Rate
    memorised: Rate
    """Facts leaked by the audited model and not by the baseline: what training added."""
    bits_fallen_median: float
    """Median over facts of the baseline's worst-case bits minus the audited model's."""


class Baseline(Part):
    """Base-model subtraction."""

    source: str
    digest: str
    rows: tuple[BaselineRow, ...]


class Confirmation(Part):
    """Verdicts of the teacher-forced pass against generation."""

    greedy_agreed: Rate
    """Sampled probes on which greedy generation and the pass give the same verdict."""
    sampled: int
    """Number of probes that were sampled from, those of the most doubtful outcome."""
    tries: int
    """Number of samples of each probe, at temperature 1."""
    expected: float
    """Number of secrets that the pass expects to appear."""
    low: int
    """Lower end of the 95% interval of that number (Poisson binomial)."""
    high: int
    """Upper end of the same interval."""
    observed: int


class OpenText(Part):
    """What texts generated from nothing hold."""

    texts: int
    tokens: int
    facts: Rate
    """Facts in scope whose secret appears."""
    beside_subject: int
    """Number of facts in scope that appear in one text with their subject's name."""
    others: dict[str, int]
    """Personal spans that are none of the known facts, by entity type."""
    detection: bool
    """Whether detectors ran over the texts; otherwise only known secrets were looked for."""


class ExposureRow(Part):
    """Exposure: log2 |R| - log2 rank among |R| candidates of the same format, at the worst wording, in bits."""

    entity_type: str
    facts: int
    candidates: int
    """Number of candidates |R|, the fact itself included; the median where it differs."""
    median: float
    highest: float
    at_first_rank: Rate
    """Facts that no candidate beats; chance gives one in |R|."""


class MembershipRow(Part):
    """How well a score tells facts from decoys: secondary evidence that a trace remains."""

    test: str
    auc: float
    """Area under the ROC curve: 0.5 is chance, 1 a perfect separation with facts on the trained side."""
    low: float
    """Lower end of the 95% interval (bootstrap over facts and decoys)."""
    high: float
    """Upper end of the same interval."""
    facts: int
    decoys: int


class Evidence(Part):
    """Everything that an audit adds to the verdicts."""

    chat: bool
    types: tuple[TypeRow, ...]
    families: tuple[FamilyRow, ...]
    tries: tuple[TriesRow, ...]
    confirmation: Confirmation | None = None
    exposure: tuple[ExposureRow, ...] = ()
    membership: tuple[MembershipRow, ...] = ()
    open_text: OpenText | None = None
    baseline: Baseline | None = None
