"""Quantised checkpoints: which method, what it needs, and that no edit can be written into one."""

import re
from copy import deepcopy
from importlib.util import find_spec
from typing import Any

from policies.errors import ModelError

PACKAGES = {
    "aqlm": ("aqlm",),
    "auto-round": ("auto-round",),
    "awq": ("gptqmodel",),
    "bitsandbytes": ("bitsandbytes",),
    "compressed-tensors": ("compressed-tensors",),
    "eetq": ("kernels",),
    "fbgemm_fp8": ("fbgemm-gpu",),
    "fouroversix": ("fouroversix",),
    "fp_quant": ("fp-quant",),
    "gptq": ("optimum", "gptqmodel"),
    "higgs": ("flute-kernel", "fast-hadamard-transform"),
    "hqq": ("hqq",),
    "metal": ("kernels",),
    "nvfp4": ("kernels",),
    "quanto": ("optimum-quanto",),
    "quark": ("amd-quark",),
    "sinq": ("sinq",),
    "spqr": ("spqr-quant",),
    "torchao": ("torchao",),
    "vptq": ("vptq",),
}
"""Packages, as pip names them, that transformers loads a method's checkpoints with; none for other methods."""
MODULES = {
    "amd-quark": "quark",
    "fbgemm-gpu": "fbgemm_gpu",
    "flute-kernel": "flute",
    "optimum-quanto": "optimum.quanto",
}
"""Modules of packages whose name is not the package's with underscores."""
SHOWN = {
    "awq": "AWQ",
    "eetq": "EETQ",
    "fbgemm_fp8": "FP8 (fbgemm)",
    "fp8": "FP8",
    "gptq": "GPTQ",
    "higgs": "HIGGS",
    "hqq": "HQQ",
    "mxfp4": "MXFP4",
    "mxfp8": "MXFP8",
    "nvfp4": "NVFP4",
}
"""Methods by their own names, where these are not the configuration's."""
_SENTENCE = re.compile(r"(?<=[^.])\.(?=\s|$)|[\n:;(]")


def quantisation(config: Any) -> dict[str, Any] | None:
    """Return what a configuration says of its checkpoint's quantisation; None where the weights are whole numbers."""
    said = getattr(config, "quantization_config", None)
    if said is None:
        said = getattr(config.get_text_config(decoder=True), "quantization_config", None)
    if said is None:
        return None
    return dict(said) if isinstance(said, dict) else dict(said.to_dict())


def check_quantised(config: Any, source: str, *, placement: str, full_precision: bool) -> None:
    """Refuse a quantised checkpoint that is to be edited, or that transformers cannot load here.

    Args:
        config: the checkpoint's configuration.
        source: the path or hub name that the user gave.
        placement: device map that it is to be loaded with.
        full_precision: whether every quantised checkpoint is refused.

    Raises:
        ModelError: it is quantised, and an edit is wanted; or its method is unknown, or a package or a device that it
            needs is missing.
    """
    said = quantisation(config)
    if said is None:
        return
    method = _method(said)
    if full_precision:
        raise ModelError(
            f"{source} is quantised ({_shown(method, said)}): no edit can be written into its weights",
            "Name the full-precision checkpoint that it was made from; `expunge audit` takes the quantised one",
        )
    _check_loadable(said, method, source, placement)


def without_missing_kernels(config: Any, placement: str) -> None:
    """Have an FP8 checkpoint read as bfloat16 on a GPU that lacks the package that multiplies in FP8.

    transformers does so by itself where there is no GPU, and fails at the first text where there is one. The weights
    are the same.
    """
    for part in (config, config.get_text_config(decoder=True)):
        said = getattr(part, "quantization_config", None)
        if isinstance(said, dict) and _method(said) in ("fp8", "mxfp8"):
            said["dequantize"] = said.get("dequantize") or (
                placement != "cpu" and not _is_installed("kernels")
            )


def _method(said: dict[str, Any]) -> str:
    if said.get("load_in_4bit") or said.get("load_in_8bit"):
        return "bitsandbytes"
    method = said.get("quant_method") or "an unnamed method"
    return str(getattr(method, "value", method))


def _shown(method: str, said: dict[str, Any]) -> str:
    bits = 4 if said.get("load_in_4bit") else 8 if said.get("load_in_8bit") else said.get("bits")
    return f"{SHOWN.get(method, method)}{f', {bits} bits' if isinstance(bits, int) else ''}"


def _check_loadable(said: dict[str, Any], method: str, source: str, placement: str) -> None:
    """Ask transformers whether it can load this here.

    Raises:
        ModelError: it cannot.
    """
    from transformers.quantizers.auto import AutoHfQuantizer, AutoQuantizationConfig

    shown = f"{source} is quantised ({_shown(method, said)})"
    remedy = "name the full-precision checkpoint that it was made from"
    try:
        known = AutoHfQuantizer.supports_quant_method({"quant_method": method, **said})
        if known:
            asked = AutoQuantizationConfig.from_dict(deepcopy(said))
            quantizer = AutoHfQuantizer.from_config(asked, pre_quantized=True)
            quantizer.validate_environment(device_map={"": placement}, weights_only=True)
    except Exception as error:  # each method has its own way of saying what is missing
        raise _unloadable(shown, method, error, remedy) from None
    if not known:
        raise ModelError(f"{shown}, which transformers does not load", remedy.capitalize())


def _unloadable(shown: str, method: str, error: Exception, remedy: str) -> ModelError:
    packages = PACKAGES.get(method, ())
    missing = [name for name in packages if not _is_installed(name)]
    if missing:
        several = "packages" if len(missing) > 1 else "package"
        return ModelError(
            f"{shown}, and the {several} {' and '.join(missing)}, which transformers loads it with, "
            f"{'are' if len(missing) > 1 else 'is'} not installed",
            f"Run `pip install {' '.join(missing)}`, or {remedy}",
        )
    reason = _SENTENCE.split(str(error).strip(), maxsplit=1)[0].strip() or type(error).__name__
    return ModelError(f"{shown}, which transformers cannot load here: {reason}", f"Change that, or {remedy}")


def _is_installed(package: str) -> bool:
    try:
        return find_spec(MODULES.get(package, package.replace("-", "_"))) is not None
    except ImportError:  # of the package that a module is in
        return False
