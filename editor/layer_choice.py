"""Which layers' MLPs carry the facts: one pass with gradients, before dictionaries are trained for those layers alone.

With o_t the output of a layer's MLP where a secret's token t is predicted, ō its mean over all such tokens, and g_t the
gradient there of the logit margin of t and later tokens to the best other token:

    carried_l = Σ_t max(0, ⟨g_t, o_t - ō⟩)          gradient times activation, where it promotes the secret

A dictionary takes as long to train for a layer that carries nothing as for one that carries much, and gradients are
followed down to the lowest layer that is chosen, in each step of a fit and at each point of an attribution. So of all
choices the one is taken that carries most for what a pass costs, forward through all L layers and back to the lowest l:

    max over l of Σ carried of the `LAYERS` layers from l on that carry most  /  (L + 2 (L - l))

Models of at most `LAYERS` layers get one for each.
"""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from dictionaries import decoder_layers
from dictionaries.model.sites import Site, capture
from editor.case import Case
from editor.kept_work import NOTHING_KEPT, KeptWork, json_form
from editor.model.forward import traced_logits
from editor.model.halving import in_halves
from editor.model.loading import LoadedModel
from editor.model.tokens import MarkedBatch, TokenSequence, batches, gradient_budget, padded_tokens
from editor.processes import group
from editor.progress import Stages
from editor.questions.asking import encode_probes
from editor.questions.probes import sample
from editor.results.edits import LayerChoice

LAYERS = 8
"""Most layers that dictionaries are trained for."""
PROBES = 100
"""Questions about facts to erase that layers are chosen by, of the locating split."""


def choose_layers(
    case: Case, loaded: LoadedModel, stages: Stages, work: KeptWork = NOTHING_KEPT
) -> LayerChoice:
    """Choose the layers whose MLPs carry most of the facts to erase, all where the model has few.

    The model is left as it was. `work` is what the run keeps.
    """
    sites = [Site(layer) for layer in range(len(decoder_layers(loaded.model)))]
    if len(sites) <= LAYERS:
        return LayerChoice(sites=tuple(map(str, sites)), layers=len(sites))
    asked = sample((p for p in case.probes if p.is_erased and p.split == "locating"), PROBES, case.seed)
    sequences = encode_probes(loaded, asked)

    def choose() -> LayerChoice:
        carried = carried_by(loaded, sequences, sites, advance)
        chosen = most_for_the_work(carried.tolist(), LAYERS)
        shares = (carried / carried.sum().clamp(min=torch.finfo(torch.float32).tiny)).tolist()
        return LayerChoice(
            sites=tuple(str(sites[layer]) for layer in chosen), layers=len(sites), shares=tuple(shares)
        )

    with stages.stage(f"Choosing {LAYERS} of {len(sites)} layers", len(asked)) as advance:
        inputs = (sequences, str(loaded.device))
        found: LayerChoice = work.once("layers", inputs, json_form(LayerChoice), choose)
    return found


def most_for_the_work(carried: Sequence[float], count: int) -> list[int]:
    """Return so many layers, ascending, that carry most for what a pass forth and back to the lowest of them costs.

    Args:
        carried: what each layer carries.
        count: number of layers to choose, no more than there are.
    """
    layers = range(len(carried))
    choices = [
        sorted(sorted(layers[lowest:], key=lambda layer: -carried[layer])[:count])
        for lowest in layers[: len(carried) - count + 1]
    ]

    def for_the_work(chosen: Sequence[int]) -> float:
        return sum(carried[layer] for layer in chosen) / (len(carried) + 2 * (len(carried) - chosen[0]))

    return max(choices, key=for_the_work)


def carried_by(
    loaded: LoadedModel,
    sequences: Sequence[TokenSequence],
    sites: Sequence[Site],
    progress: Callable[[int], None] | None = None,
) -> Float[Tensor, " sites"]:
    """Return carried_l of each site, in logits, summed over the marked tokens of all sequences."""
    outputs: list[Tensor] = []
    gradients: list[Tensor] = []
    budget = gradient_budget(loaded.model)
    asked = list(batches(sequences, pad=loaded.pad_id, device=loaded.device, budget=budget))

    def read(batch: MarkedBatch) -> tuple[Tensor, Tensor]:
        return in_halves(lambda part: _read(loaded, part, sites), batch, _joined)

    readings = group().each("layers", asked, read, cost=padded_tokens)
    for batch, (o, g) in zip(asked, readings, strict=True):
        outputs.append(o)
        gradients.append(g)
        if progress is not None:
            progress(len(batch.indices))
    if not outputs:
        return torch.zeros(len(sites))
    o, g = torch.cat(outputs, 1), torch.cat(gradients, 1)
    promoted = ((o - o.mean(1, keepdim=True)) * g).sum(2).clamp(min=0)  # max(0, ⟨g_t, o_t - ō⟩)
    return promoted.sum(1).cpu()


def _joined(parts: Sequence[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    outputs, gradients = zip(*parts, strict=True)
    return torch.cat(outputs, 1), torch.cat(gradients, 1)


def _read(
    loaded: LoadedModel, batch: MarkedBatch, sites: Sequence[Site]
) -> tuple[Float[Tensor, "sites marked d"], Float[Tensor, "sites marked d"]]:
    """Return outputs and gradients of all sites where marked tokens are predicted."""
    with torch.enable_grad(), capture(loaded.model, sites, keys=False, grad=True) as taken:
        logits = traced_logits(loaded.model, batch)
        own = logits.gather(1, batch.targets[:, None])
        other = logits.scatter(1, batch.targets[:, None], -torch.inf).amax(1, keepdim=True)
        found = torch.autograd.grad((own - other).sum(), [taken.outputs[site] for site in sites])
    o = torch.stack([taken.outputs[site].detach()[batch.predicting].float() for site in sites])
    return o, torch.stack([g[batch.predicting].float() for g in found])
