"""Where the embedded lab lies: in the source tree, or inside the installed package."""

from dataclasses import dataclass
from pathlib import Path

from policies.errors import ModelError

HERE = Path(__file__).resolve().parent
DICTIONARY_FOLDERS = {"gated": "gated", "binary": "bae"}
PLACES = (HERE.parent / "examples" / "rivermouth", HERE / "rivermouth")


@dataclass(frozen=True, kw_only=True)
class Lab:
    """Files of the embedded lab (`examples/rivermouth/README.md` tells what they are)."""

    folder: Path

    @property
    def model(self) -> Path:
        """The model that memorised the clinic."""
        return self.folder / "model"

    @property
    def reference(self) -> Path:
        """The model that never saw the five people of the request."""
        return self.folder / "reference"

    @property
    def corpus(self) -> Path:
        """What the model was trained on."""
        return self.folder / "corpus.jsonl"

    @property
    def policy(self) -> Path:
        """What counts as personal and as erased."""
        return self.folder / "policy.yaml"

    @property
    def request(self) -> Path:
        """Five people who ask to be forgotten."""
        return self.folder / "request.yaml"

    @property
    def probes(self) -> Path:
        """Held-out wordings, and public facts."""
        return self.folder / "probes.jsonl"

    def dictionaries(self, architecture: str) -> Path:
        """Return the folder of pretrained dictionaries of `mlp_out` at every layer, "gated" or "binary"."""
        return self.folder / "dictionaries" / DICTIONARY_FOLDERS[architecture]


def find_lab() -> Lab:
    """Find the lab.

    Raises:
        ModelError: it was not installed.
    """
    for folder in PLACES:
        if (folder / "corpus.jsonl").is_file():
            return Lab(folder=folder)
    raise ModelError(
        "The embedded lab is not part of this installation",
        "Run the demo from a clone of the repository, or build the lab there with `make lab`",
    )
