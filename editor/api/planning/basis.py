"""What a plan is counted from: a case, a model without weights, and the machine's speed."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from editor.api.planning.passes import PassCosts
from editor.api.planning.rough_tokenizer import RoughTokenizer
from editor.api.planning.shape import Shape, shape_of
from editor.api.planning.speed import Speed, calibrate
from editor.case import Case
from editor.dictionary_supply import feature_count, fitting_batches
from editor.layer_choice import LAYERS
from editor.locators.blocks import key_makers
from editor.locators.features import FeatureAttribution
from editor.locators.problem import EditProblem
from editor.measuring.evaluation_data import EvaluationData, PreparedModel, prepare
from editor.methods import METHODS
from editor.model.adapters.reading import is_adapter, read_adapter
from editor.model.checks.chat_template import check_chat_template
from editor.model.checks.devices import check_device
from editor.model.checks.dtypes import check_dtype, compute_dtype
from editor.model.checks.folder import check_folder
from editor.model.checks.refusals import read_config
from editor.model.loading import LoadedModel, local_folder
from editor.model.precision import WIDE, bfloat16_gains
from editor.model.tokenizers import has_tokenizer, load_tokenizer
from editor.model.tokens import limit_batches
from editor.model.unloaded import UnloadedModel, model_without_weights
from editor.pipeline import EraseOptions
from editor.progress import Silent
from editor.questions.probes import Probe
from editor.tuning.build_problem import build_problem
from policies.errors import ModelError


@dataclass(frozen=True, kw_only=True)
class Basis:
    """What stages are counted from.

    Attributes:
        case: facts, questions and retained text.
        loaded: the model, whose weights may be missing.
        shape: its sizes.
        options: method, search and attacks.
        confirm: number of an audit's verdicts compared with generation.
        open_texts: number of texts that an audit generates from nothing.
        given: whether dictionaries are given.
        speed: speed of the machine in the precision of computing.
        quick: the same in the precision of gradients.
        scored: seconds of scoring questions that were counted already.
    """

    case: Case
    loaded: LoadedModel
    shape: Shape
    options: EraseOptions
    speed: Speed
    quick: Speed
    confirm: int = 40
    open_texts: int = 64
    given: bool = False
    scored: dict[tuple[Probe, ...], float] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    @property
    def costs(self) -> PassCosts:
        """Costs of passes."""
        item = 2 if self.is_quick else self.shape.item
        return PassCosts(shape=self.shape, plain=self.speed, quick=self.quick, traced_item=item)

    @property
    def is_quick(self) -> bool:
        """Whether gradients are computed in bfloat16 though the model is in float32."""
        return is_quick(self.shape, self.loaded.device)

    @cached_property
    def wide(self) -> EvaluationData:
        """What an audit asks."""
        return prepare(self.case, self.loaded, wide=True)

    @cached_property
    def data(self) -> EvaluationData:
        """What an erasure asks before and after."""
        return prepare(self.case, self.loaded)

    @cached_property
    def problem(self) -> EditProblem:
        """What the edit is given, nothing located."""
        prepared = PreparedModel(loaded=self.loaded, data=self.data)
        return build_problem(self.case, prepared, {}, FeatureAttribution(), Silent())

    @property
    def needs_dictionaries(self) -> bool:
        """Whether the method needs dictionaries."""
        return self.options.method.needs_dictionary

    @property
    def sites(self) -> int:
        """Number of layers whose MLP is edited."""
        return min(LAYERS, self.shape.layers)

    @cached_property
    def tokens(self) -> list[tuple[int, int, int]]:
        """Rows, length and counted tokens of each batch that dictionaries are trained on."""
        batches = fitting_batches(self.case, self.loaded)
        return [(*batch.tokens.shape, int(batch.counted.sum())) for batch in batches]

    @property
    def features(self) -> int:
        """Number of features of a dictionary that is trained."""
        return feature_count(self.shape.width, sum(counted for _, _, counted in self.tokens))

    @cached_property
    def changed(self) -> tuple[tuple[int, int], ...]:
        """Outputs and inputs of each weight that an edit of MLPs changes.

        Those are the output projections of `sites` layers, and what makes their keys where the method moves that too.
        """
        problem, model = self.problem, self.loaded.model
        lowest = self.shape.layers - self.sites
        found = []
        for site in problem.sites[lowest:]:
            name, transposed = problem.parameter(site)
            found.append(_upright(model.get_parameter(name).shape, transposed=transposed))
            if METHODS[self.options.method.name].family == "features":
                found += [
                    _upright(torch.Size(one.shape), transposed=transposed)
                    for one in key_makers(model, site.layer)
                ]
        return tuple(found)

    @property
    def changed_weights(self) -> int:
        """Number of weights that an edit of MLPs changes."""
        return sum(out * into for out, into in self.changed)


def _upright(shape: torch.Size, *, transposed: bool) -> tuple[int, int]:
    rows, columns = int(shape[0]), int(shape[1])
    return (columns, rows) if transposed else (rows, columns)


def is_quick(shape: Shape, device: torch.device) -> bool:
    """Return whether gradients are computed in bfloat16 though the model is in float32."""
    on_cpu = device.type == "cpu" and shape.dtype == torch.float32
    return on_cpu and shape.width >= WIDE and bfloat16_gains()


def speeds(shape: Shape, device: torch.device) -> tuple[Speed, Speed]:
    """Return the machine's speed in the precision of computing, and in that of gradients."""
    plain = calibrate(device, shape.dtype, shape.width, shape.hidden)
    if not is_quick(shape, device):
        return plain, plain
    return plain, calibrate(device, torch.bfloat16, shape.width, shape.hidden)


def open_unloaded(
    source: str,
    *,
    device: str,
    dtype: str,
    revision: str | None,
    trust_remote_code: bool,
    batch_size: int | None,
) -> tuple[LoadedModel, Shape, torch.device]:
    """Return a model as its configuration describes it, its shape and the device that it would run on.

    No weights are read. A folder may hold a configuration alone; without a tokenizer tokens are counted by a stand-in.

    Raises:
        ModelError: the folder or name is nowhere, its configuration cannot be used, or a device or dtype is unknown.
    """
    check_device(device)
    check_dtype(dtype)
    check_folder(source)
    adapter = read_adapter(source) if is_adapter(source) else None
    base = adapter.base if adapter else source
    config = read_config(base, trust_remote_code=trust_remote_code, revision=revision)
    where = torch.device(("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device)
    stored = _stored_dtype(config)
    computed = compute_dtype(dtype, where.type, stored)
    model = model_without_weights(config, base, dtype=computed, trust_remote_code=trust_remote_code)
    model.eval().requires_grad_(requires_grad=False)
    limit_batches(model, batch_size)
    folder = local_folder(base, revision)
    shape = shape_of(model, folder, stored, computed)
    tokenizer, chat = _tokenizer(source, base, shape, revision, trust_remote_code=trust_remote_code)
    loaded = UnloadedModel(
        model=model,
        tokenizer=tokenizer,
        source=source,
        stored_dtype=stored,
        chat=chat,
        trust_remote_code=trust_remote_code,
        revision=revision,
        dtype=dtype,
        batch_size=batch_size,
    )
    return loaded, shape, where


def _tokenizer(
    source: str, base: str, shape: Shape, revision: str | None, *, trust_remote_code: bool
) -> tuple[Any, bool]:
    """Return the tokenizer, or its stand-in, and whether questions are put in its chat template."""
    named = next((one for one in (source, base) if has_tokenizer(one)), None)
    if named is None and Path(base, "tokenizer.json").is_file():
        named = base
    if named is None:
        return RoughTokenizer(shape.vocabulary), False
    tokenizer = load_tokenizer(named, trust_remote_code, revision)
    return tokenizer, check_chat_template(tokenizer, source, chat=None, system_prompt=None)


def _stored_dtype(config: Any) -> torch.dtype:
    named = getattr(config, "dtype", None) or torch.float32
    found = getattr(torch, named, None) if isinstance(named, str) else named
    if not isinstance(found, torch.dtype):
        raise ModelError(f"{named} is no dtype of weights", "Correct `dtype` in config.json")
    return found
