"""The folder that is named as a model, before anything in it is read."""

from pathlib import Path

from editor.model.checks.checkpoint_files import check_links, check_no_gguf_alone
from editor.model.checks.sources import looks_local
from policies.errors import ModelError


def check_folder(source: str) -> None:
    """Refuse a model's folder that is missing, or holds nothing that a model is loaded by.

    Raises:
        ModelError: it is refused.
    """
    path = Path(source)
    if path.is_symlink() and not path.exists():
        raise ModelError(f"{source} is a link to a folder that is not there", "Check the path")
    if not path.exists():
        if looks_local(source):
            raise ModelError(f"The model folder {source} does not exist", "Check the path")
        return
    if not path.is_dir():
        raise ModelError(f"{source} is a file", "Name the checkpoint's folder, or a hub name")
    if not any(path.iterdir()):
        raise ModelError(f"The model folder {source} is empty", "Name a folder with config.json and weights")
    check_links(path)
    check_no_gguf_alone(path)
    if not (path / "config.json").is_file() and not (path / "adapter_config.json").is_file():
        raise ModelError(
            f"The folder {source} holds neither config.json nor adapter_config.json",
            "Name the folder that `save_pretrained` wrote",
        )
