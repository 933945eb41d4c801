"""The table of architectures. A new one is one file and one entry here."""

from dictionaries.architectures.batch_topk import BatchTopKSAE
from dictionaries.architectures.binary import BinaryAutoencoder
from dictionaries.architectures.gated import GatedSAE
from dictionaries.architectures.jumprelu import JumpReluSAE
from dictionaries.architectures.matryoshka import MatryoshkaSAE
from dictionaries.architectures.relu import ReluSAE
from dictionaries.architectures.topk import TopKSAE
from dictionaries.dictionary import Dictionary
from policies.errors import DictionaryError

ARCHITECTURES: dict[str, type[Dictionary]] = {
    architecture.architecture: architecture
    for architecture in (
        GatedSAE,
        BinaryAutoencoder,
        ReluSAE,
        TopKSAE,
        BatchTopKSAE,
        MatryoshkaSAE,
        JumpReluSAE,
    )
}


def find_architecture(name: str) -> type[Dictionary]:
    """Return the architecture of a name.

    Raises:
        DictionaryError: there is no such architecture.
    """
    if name not in ARCHITECTURES:
        raise DictionaryError(f"{name!r} is not an architecture", f"Use one of {', '.join(ARCHITECTURES)}")
    return ARCHITECTURES[name]
