"""The table of architectures. A new one is one file and one entry here."""

from dictionaries.binary import BinaryAutoencoder
from dictionaries.dictionary import Dictionary
from dictionaries.gated import GatedSAE
from dictionaries.relu import ReluSAE
from policies.errors import DictionaryError

ARCHITECTURES: dict[str, type[Dictionary]] = {
    architecture.architecture: architecture for architecture in (GatedSAE, BinaryAutoencoder, ReluSAE)
}


def find_architecture(name: str) -> type[Dictionary]:
    """Look a name up.

    Raises:
        DictionaryError: there is no such architecture.
    """
    if name not in ARCHITECTURES:
        raise DictionaryError(f"{name!r} is not an architecture", f"Use one of {', '.join(ARCHITECTURES)}")
    return ARCHITECTURES[name]
