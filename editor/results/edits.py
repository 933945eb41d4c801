"""What was edited, where it sat, and what the same change by chance does."""

from typing import Literal

from editor.results.parts import Part, Rate


class LayerRow(Part):
    """Located units of one site: where the facts sat."""

    site: str
    units: int
    attribution_share: float
    """Share of the located attribution that this site carries, 0 to 1."""
    edit_norm: float
    """Frobenius norm of the weight change at this site."""
    top_units: tuple[int, ...]
    top_scores: tuple[float, ...]


class DictionaryRow(Part):
    """Quality of one dictionary used, on retained text held out from the edit."""

    site: str
    architecture: str
    features: int
    explained_variance: float
    l0: float
    relative_reconstruction_bias: float
    alive: float


class LayerChoice(Part):
    """Layers whose MLPs got a dictionary, of all that the model has (`editor.layer_choice`)."""

    sites: tuple[str, ...]
    layers: int
    shares: tuple[float, ...] = ()
    """Share of what all layers carry of the facts in scope, by layer; none where all layers were taken."""

    @property
    def carried(self) -> float:
        """Share that the chosen layers carry together, 0 to 1."""
        return sum(self.shares[int(site.rpartition(".")[2])] for site in self.sites) if self.shares else 1.0


class AdapterSummary(Part):
    """Adapter in summary: the edit as PEFT reads it."""

    rank: int
    """Largest rank of a tensor's change."""
    left_out: float
    """‖·‖_F of what the adapter leaves out of the edit, over ‖ΔW‖_F."""


class CoverageRow(Part):
    """Weights of one kind of module: all that there are, those that were changed, those that were left."""

    kind: str
    matched: int
    edited: int
    left: int


class EditSummary(Part):
    """Edit in summary: what was changed."""

    method: str
    settings: dict[str, float | str]
    norm: float
    relative_norm: float
    """‖ΔW‖ over ‖W‖ of the changed tensors."""
    parameters: tuple[str, ...]
    coverage: tuple[CoverageRow, ...] = ()
    """Every weight of the model, by kind of module; none in reports from before it was counted."""
    layers: tuple[LayerRow, ...]
    completeness: float
    """Sum of all attributions over the objective's real change when the sites are ablated; 1 is complete."""
    adapter: AdapterSummary | None = None
    """The adapter that was written; None where none was."""
    case: str = ""
    """Keyed label of the case, as `edit/edit.json` names it."""
    originals: Literal["kept", "encrypted", "none"] = "kept"
    """How `edit/` keeps what a revert needs."""
    previous: tuple[str, ...] = ()
    """Keyed labels of the cases whose edits the model had already, the first one first."""


class TrialRow(Part):
    """One trial of the strength search, scored on the locating split alone."""

    number: int
    settings: dict[str, float]
    leakage: float
    """Mean share of facts, over the locating wordings, that miss one of the policy's leakage ceilings."""
    collateral: float
    """Mean KL divergence in nats/token to the original model on retained text of the locating split."""
    norm: float
    chosen: bool


class ControlRow(Part):
    """Another edit of the same size, measured like the main one."""

    name: str
    description: str
    norm: float
    erased_trained: Rate
    erased_held_out: Rate
    exposed: Rate
    """Erased facts more exposed than the policy's percentile of decoys."""
    others_kept: Rate
    """Probes about other people answered greedily before and after, of those answered before."""
    same_subject_kept: Rate
    perplexity_rise: float
