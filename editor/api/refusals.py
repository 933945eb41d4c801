"""What contradicts itself in a request, and is refused when it is made. Each raises `RequestError`."""

from pathlib import Path

from editor.attacks import ATTACK_SETS
from policies.errors import RequestError

MOST_TEMPERATURE = 100.0


def need_output(output: str | Path | None) -> None:
    """Refuse a run without a folder for its checkpoint."""
    if output is None:
        raise RequestError("There is no folder to write the checkpoint to", "Name an output folder")


def one_lock(**files: str | Path | None) -> None:
    """Refuse a key and a passphrase together."""
    if all(file is not None for file in files.values()):
        raise RequestError("A key and a passphrase were both named", "Give one of the two")


def check_reference(reference: str | Path | None, *others: str | Path) -> None:
    """Refuse a reference that is one of the models that know, or knew, the facts."""
    if reference is not None and Path(reference).resolve() in [Path(other).resolve() for other in others]:
        raise RequestError(
            "The reference is the model itself, which saw the facts",
            "Name a model that was trained without them, or leave --reference out",
        )


def check_attacks(attacks: str) -> None:
    """Refuse a set of attacks that there is not."""
    if attacks not in ATTACK_SETS:
        raise RequestError(f"There are no attacks {attacks!r}", f"Give one of {', '.join(ATTACK_SETS)}")


def check_hub_name(name: str, *, owned: bool = False) -> None:
    """Refuse what is no name of a repository on the hub; where it must be `owned`, a name without an owner too."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]  # public, and in no __all__

    try:
        validate_repo_id(name)
        is_name = "/" in name or not owned
    except HFValidationError:
        is_name = False
    if not is_name:
        raise RequestError(
            f"{name!r} is no name of a repository on the hub",
            "Give owner/name, of letters, digits, hyphens, dots and underscores",
        )


def check_temperature(temperature: float) -> None:
    """Refuse what no distribution can be divided by."""
    if not 0 <= temperature <= MOST_TEMPERATURE:
        raise RequestError(
            f"The temperature is {temperature:g}",
            f"Give 0 for the likeliest token, or up to {MOST_TEMPERATURE:g}",
        )


def at_least_one(**numbers: int) -> None:
    """Refuse numbers below 1, by their names."""
    for name, number in numbers.items():
        if number < 1:
            raise RequestError(f"`{name}` is {number}", "Give 1 or more")
