"""Merge an adapter into its base model, whole or not at all, and check that the merged model is the adapted one."""

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from editor.model.adapters.reading import MERGED_ELSEWHERE, PREFIX, Adapter, plain_name
from policies.errors import ModelError

NAME = "default"
"""Name that the adapter has in the PEFT model."""
EXAMPLES, LENGTH = 2, 16
"""Number of token sequences on which merged and unmerged model are compared, and their length."""
LAST = 4
"""Number of the vocabulary's last tokens among them: where added tokens are."""
INTEGERS = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
TRAINED_ON = (
    "Set base_model_name_or_path to the model that it was trained on, or save it again from the trained model, with "
    "its tokenizer where tokens were added"
)


@dataclass(frozen=True, kw_only=True)
class Factors:
    """The change of one parameter by an adapter, ΔW = left @ right, in the parameter's own layout.

    Attributes:
        left: (rows, rank), float32 on the CPU, with the adapter's scale.
        right: (rank, columns), float32 on the CPU.
    """

    left: Float[Tensor, "rows rank"] = field(repr=False)
    right: Float[Tensor, "rank columns"] = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class MergedAdapter:
    """What a model was merged from.

    Attributes:
        base: the folder or hub name of the base model.
        factors: the changes by parameter name, where the adapter is nothing but plain LoRA on linear layers; else None.
    """

    base: str
    factors: Mapping[str, Factors] | None = field(repr=False)


def merge_adapter(adapter: Adapter, model: Any, tokens: int | None) -> tuple[Any, MergedAdapter]:
    """Return the base model with the adapter merged into its weights; `model` itself is used up.

    The merged model's logits are compared with those of the model before merging, as PEFT computes them. A tied
    embedding that the adapter makes unlike the output head is untied.

    Args:
        adapter: the adapter.
        model: its base model.
        tokens: number of tokens of the adapter's own tokenizer, None where it has none.

    Raises:
        ModelError: tensors are missing, unexpected or misshaped, nothing changes, the type cannot be merged, or the
            merged model is not the unmerged one.
    """
    if any(parameter.device.type == "meta" for parameter in model.parameters()):
        raise ModelError(
            f"The base model of {adapter.source} does not fit into the GPUs' memory, and so no adapter can be merged",
            "Use --device cpu",
        )
    with warnings.catch_warnings(), torch.no_grad(), torch.random.fork_rng():
        warnings.simplefilter("ignore")  # what PEFT warns of is checked here
        torch.manual_seed(0)  # PEFT draws what the file then replaces, transformers the rows of added tokens
        resized = _resize(adapter, model, tokens)
        before, was_tied = _bit_sums(model), _is_tied(model)
        adapted = _wrap(adapter, model)
        plain = _load(adapter, adapted)
        factors = _factors(adapter, adapted) if plain and not resized else None
        wanted = _unmerged_logits(adapter, adapted, model)
        merged = _merge(adapter, adapted)
        untied = was_tied and not _settle_ties(merged)
        _check_changed(adapter, before, _bit_sums(merged))
        _check_logits(adapter, wanted, _logits(merged, merged), merged.dtype)
    return merged, MergedAdapter(base=adapter.base, factors=None if untied else factors)


def _resize(adapter: Adapter, model: Any, tokens: int | None) -> bool:
    """Give the vocabulary as many rows as the adapter was trained with, and return whether it had not.

    Rows that the adapter does not hold are drawn near the mean of the others.
    """
    if tokens is None:
        return False
    rows = model.get_input_embeddings().weight.shape[0]
    wanted = _saved_rows(adapter.tensors, model) or max(rows, tokens)
    if wanted < tokens or wanted == rows:
        return False
    model.resize_token_embeddings(wanted)
    return True


def _saved_rows(tensors: Mapping[str, Tensor], model: Any) -> int | None:
    """Return the size of the vocabulary that an adapter's tensors tell, None where none tells."""
    for module in (model.get_input_embeddings(), model.get_output_embeddings()):
        name = next((name for name, found in model.named_modules() if found is module), None)
        for suffix, axis in (
            ("weight", 0),
            ("base_layer.weight", 0),
            ("lora_embedding_A", 1),
            ("lora_B.weight", 0),
        ):
            tensor = tensors.get(f"{name}.{suffix}")
            if tensor is not None and tensor.dim() == 2:
                return int(tensor.shape[axis])
    return None


def _wrap(adapter: Adapter, model: Any) -> Any:
    from peft import PeftModel

    adapter.config.inference_mode = True
    try:
        return PeftModel(model, adapter.config, NAME).eval()
    except Exception as error:
        raise ModelError(
            f"The adapter {adapter.source} ({adapter.kind}) does not fit its base model {adapter.base} "
            f"({type(error).__name__}): its layers are not there, or its configuration is damaged",
            TRAINED_ON,
        ) from error


def _load(adapter: Adapter, adapted: Any) -> bool:
    """Load all of the adapter's tensors, and return whether they leave the base model's own tensors alone."""
    from peft import set_peft_model_state_dict

    expected = _adapter_state(adapted)
    given, own = _matched(adapter, adapted, expected)
    try:
        set_peft_model_state_dict(adapted, {**given, **own}, adapter_name=NAME)
    except Exception as error:
        raise ModelError(
            f"The tensors of the adapter {adapter.source} ({adapter.kind}) cannot be loaded into its base model "
            f"{adapter.base} ({type(error).__name__})",
            TRAINED_ON,
        ) from error
    loaded, state = _adapter_state(adapted), adapted.state_dict()
    for name, tensor in given.items():
        _check_loaded(adapter, name, tensor, loaded.get(name))
    for name, tensor in own.items():
        _check_loaded(adapter, name, tensor, state[name])
    return not own and not any(name.endswith(".bias") for name in given)


def _adapter_state(adapted: Any) -> dict[str, Tensor]:
    """Return what PEFT would save of the model, by the names of its files."""
    from peft import get_peft_model_state_dict

    found: dict[str, Tensor] = get_peft_model_state_dict(
        adapted, adapter_name=NAME, save_embedding_layers=False
    )
    return found


def _matched(
    adapter: Adapter, adapted: Any, expected: Mapping[str, Tensor]
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Return the file's tensors by PEFT's names: the adapter's, and those of the base model that it replaces."""
    names = {plain_name(name): name for name in expected}
    tensors = adapter.tensors
    if not names.keys() <= tensors.keys():
        tensors = _converted(adapter, adapted)
    base = {plain_name(name): name for name in adapted.state_dict() if plain_name(name) not in names}
    missing = [name for name in names if name not in tensors]
    unexpected = [name for name in tensors if name not in names and name not in base]
    given = {names[name]: tensor for name, tensor in tensors.items() if name in names}
    own = {base[name]: tensor for name, tensor in tensors.items() if name in base}
    shapes = {**adapted.state_dict(), **expected}
    misshaped = [
        f"{plain_name(name)} {_shape(tensor)} for {_shape(shapes[name])}"
        for name, tensor in {**given, **own}.items()
        if tensor.shape != shapes[name].shape
    ]
    faults = (("lacks", missing), ("has unexpected", unexpected), ("misshapes", misshaped))
    if said := [f"{fault} {_some(names)}" for fault, names in faults if names]:
        raise ModelError(
            f"The adapter {adapter.source} does not fit its base model {adapter.base}: it {' and '.join(said)}",
            TRAINED_ON,
        )
    return given, own


def _converted(adapter: Adapter, adapted: Any) -> dict[str, Tensor]:
    """Return the tensors as this release of transformers lays them out: experts were separate, and are fused."""
    try:
        from peft.utils.transformers_weight_conversion import convert_peft_adapter_state_dict_for_transformers
    except ImportError:
        return adapter.tensors
    tensors = {f"{PREFIX}{name}": tensor for name, tensor in adapter.tensors.items()}
    try:
        converted = convert_peft_adapter_state_dict_for_transformers(
            model=adapted, peft_config=adapter.config, adapter_state_dict=tensors, adapter_name=NAME
        )
    except (KeyError, ValueError, RuntimeError, AttributeError, IndexError):
        # Of another base: `_matched` says what is missing.
        return adapter.tensors
    return {plain_name(name): tensor for name, tensor in converted.items()}


def _some(names: Iterable[str]) -> str:
    names = sorted(names)
    return f"{len(names)} tensor{'s' * (len(names) > 1)}, such as {names[0]}"


def _shape(tensor: Tensor) -> str:
    return "×".join(map(str, tensor.shape)) or "()"


def _check_loaded(adapter: Adapter, name: str, given: Tensor, loaded: Tensor | None) -> None:
    if loaded is None or not torch.equal(given.to(loaded.dtype), loaded.detach().to(given.device)):
        raise ModelError(
            f"The tensor {plain_name(name)} of the adapter {adapter.source} was not loaded as it is in the file",
            MERGED_ELSEWHERE,
        )


def _merge(adapter: Adapter, adapted: Any) -> Any:
    """Return the merged model; a tied weight that the adapter changes in one place is copied first."""
    model = adapted.get_base_model()
    _separate(model.get_input_embeddings(), model.get_output_embeddings())
    try:
        return adapted.merge_and_unload()
    except Exception as error:
        raise ModelError(
            f"The adapter {adapter.source} is of the type {adapter.kind}, which cannot be merged into weights as it is "
            f"configured ({type(error).__name__})",
            "Use an adapter that PEFT's `merge_and_unload` takes, such as plain LoRA",
        ) from error


def _separate(embedding: Any, head: Any) -> None:
    from peft.tuners.tuners_utils import BaseTunerLayer

    if head is None or not any(isinstance(module, BaseTunerLayer) for module in (embedding, head)):
        return
    inner, outer = (getattr(module, "base_layer", module) for module in (embedding, head))
    if inner.weight is outer.weight:
        outer.weight = nn.Parameter(outer.weight.clone(), requires_grad=False)


def _is_tied(model: Any) -> bool:
    head = model.get_output_embeddings()
    return head is not None and head.weight is model.get_input_embeddings().weight


def _settle_ties(model: Any) -> bool:
    """Tie embedding and head again where merging left them alike, else say in the config that they are apart.

    Returns:
        Whether they are tied.
    """
    embedding, head = model.get_input_embeddings(), model.get_output_embeddings()
    tied = embedding.weight is head.weight or _alike(embedding.weight, head.weight)
    if tied:
        head.weight = embedding.weight
    for config in {id(c): c for c in (model.config, model.config.get_text_config())}.values():
        if hasattr(config, "tie_word_embeddings"):
            config.tie_word_embeddings = tied
    if hasattr(model, "all_tied_weights_keys"):
        model.all_tied_weights_keys = model.get_expanded_tied_weights_keys(all_submodels=True)
    return tied


def _alike(one: Tensor, other: Tensor) -> bool:
    """Return whether two weights are equal but for the rounding of two products."""
    if one.shape != other.shape:
        return False
    limit = 8 * torch.finfo(one.dtype).eps * one.abs().max()
    return bool((one - other.to(one.device)).abs().max() <= limit)


def _bit_sums(model: nn.Module) -> dict[str, int]:
    """Return a checksum of each parameter's values; -0 counts as 0, as adding zero makes it."""
    sums = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        values = parameter.detach() if parameter.element_size() == 1 else parameter.detach() + 0
        sums[name] = int(values.view(INTEGERS[values.element_size()]).sum(dtype=torch.int64))
    return sums


def _check_changed(adapter: Adapter, before: Mapping[str, int], after: Mapping[str, int]) -> None:
    if before == after:
        raise ModelError(
            f"The adapter {adapter.source} changes nothing: merged, every weight of {adapter.base} is what it was",
            "Save the adapter again from the model that was trained",
        )


def _logits(forward: Any, model: Any) -> Float[Tensor, "examples tokens vocabulary"]:
    """Return the logits of a few token sequences, the same for every model of one vocabulary."""
    weight = model.get_input_embeddings().weight
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randint(weight.shape[0], (EXAMPLES, LENGTH), generator=generator)
    last = min(LAST, weight.shape[0])
    tokens[:, LENGTH // 2 : LENGTH // 2 + last] = torch.arange(weight.shape[0] - last, weight.shape[0])
    logits: Tensor = forward(input_ids=tokens.to(weight.device)).logits
    return logits.float().cpu()


def _unmerged_logits(adapter: Adapter, adapted: Any, model: Any) -> Tensor:
    try:
        return _logits(adapted, model)
    except Exception as error:
        raise ModelError(
            f"PEFT cannot run the adapter {adapter.source} ({adapter.kind}) on its base model {adapter.base} "
            f"({type(error).__name__})",
            TRAINED_ON,
        ) from error


def _check_logits(adapter: Adapter, wanted: Tensor, found: Tensor, dtype: torch.dtype) -> None:
    """Refuse a merged model whose logits differ by more than √ε of their spread, ε being the compute dtype's."""
    if wanted.shape == found.shape:
        spread = (wanted - wanted.mean(-1, keepdim=True)).norm()
        if (found - wanted).norm() <= torch.finfo(dtype).eps ** 0.5 * spread:  # False where one is not finite
            return
    raise ModelError(
        f"Merged into its base, the adapter {adapter.source} ({adapter.kind}) gives another model than PEFT runs "
        "unmerged: their logits differ by more than rounding",
        "Merge it yourself, check that the merged model is the one you deploy, and give that",
    )


def _factors(adapter: Adapter, adapted: Any) -> dict[str, Factors] | None:
    """Return the changes of a plain LoRA adapter by parameter name; None of any other."""
    from peft.tuners.lora.layer import Linear
    from peft.tuners.tuners_utils import BaseTunerLayer
    from peft.utils.other import ModulesToSaveWrapper

    if adapter.kind != "LORA" or adapter.config.init_lora_weights not in (True, False, "gaussian"):
        return None
    found: dict[str, Factors] = {}
    for name, module in adapted.get_base_model().named_modules():
        if isinstance(module, ModulesToSaveWrapper | BaseTunerLayer):
            if type(module) is not Linear or not _is_plain(module):
                return None
            found[f"{name}.weight"] = _factors_of(module)
    return found


def _is_plain(module: Any) -> bool:
    """Return whether a LoRA layer adds its product, without bias, and nothing else."""
    dora, bias = module.use_dora.get(NAME), getattr(module, "lora_bias", {}).get(NAME)
    return not dora and not bias and NAME not in getattr(module, "lora_variant", {})


def _factors_of(module: Any) -> Factors:
    into = module.lora_A[NAME].weight.detach().float().cpu()
    out = module.lora_B[NAME].weight.detach().float().cpu() * module.scaling[NAME]
    if module.fan_in_fan_out:
        return Factors(left=into.T.contiguous(), right=out.T.contiguous())
    return Factors(left=out, right=into)
