"""What the jobs are asked that measure nothing: over texts, folders that were written, or a conversation.

Importing this imports neither torch nor Presidio.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from editor.api.refusals import (
    at_least_one,
    check_hub_name,
    check_temperature,
    need_output,
    one_lock,
)
from editor.api.requests import Request
from policies import ErasureRequest, Policy
from policies.errors import RequestError

if TYPE_CHECKING:
    pass

Pushable = Literal["checkpoint", "adapter", "report"]
"""What can be uploaded of an output folder."""
PUSHABLE: tuple[Pushable, ...] = get_args(Pushable)


@dataclass(frozen=True, kw_only=True)
class DetectRequest(Request):
    """A search for personal facts in a corpus.

    Attributes:
        corpus: File of documents.
        policy: Preset's name, YAML file, or policy.
        request: Erasure request: YAML file or value; only the facts of its subjects are returned.
        subjects: Full names of data subjects, instead of `request`.
        processes: Number of processes that search the corpus; None for one a core where it is large.
        output: Facts file to write, which holds the personal data itself (mode 0600); None writes nothing.
        overwrite: Whether a file that exists is replaced.
        rank: Number of the part to search, from 0, where several processes share the corpus; None for all of it.
        world_size: Number of parts. Without a rank, the parts that lie beside `output` are gathered; None where
            this process alone searches.
    """

    corpus: str | Path = field(kw_only=False)
    policy: "str | Path | Policy" = "gdpr"
    request: "str | Path | ErasureRequest | None" = field(default=None, repr=False)
    subjects: Sequence[str] = field(default=(), repr=False)
    processes: int | None = None
    output: str | Path | None = None
    overwrite: bool = False
    rank: int | None = None
    world_size: int | None = None

    def __post_init__(self) -> None:
        if self.rank is not None and (self.world_size is None or not 0 <= self.rank < self.world_size):
            raise RequestError(
                f"Rank {self.rank} is none of {self.world_size or 'no'} parts",
                "Give --world-size, and a --rank from 0 to one less",
            )
        if self.world_size is not None and (self.output is None or self.processes is not None):
            raise RequestError(
                "Parts of a search are written beside the facts file, by one process each",
                "Give --output, and no --processes",
            )
        if self.request is not None and self.subjects:
            raise RequestError(
                "A request and subjects were both named", "Give --request or --subject, not both"
            )


@dataclass(frozen=True, kw_only=True)
class RevertRequest(Request):
    """Taking an edit back.

    Attributes:
        erased: Output folder of an erasure.
        output: New folder for the checkpoint.
        overwrite: Whether a folder that exists is replaced.
        edit: Folder that the edit was kept in; None for the one beside `erased`.
        key: File with the key that the originals were encrypted with.
        passphrase_file: File with their passphrase.
        base: Model that the edit was made on, whose tensors are put back instead of those that were kept.
        out_of: Checkpoint that was edited since, or output folder of an erasure, to take the edit out of; None for
            the checkpoint that the edit made.
        subject: Name of the only person the edit must be about.
        case_key: Key of the case, for `subject`; None for the one beside `erased`.
    """

    erased: str | Path = field(kw_only=False)
    output: str | Path | None = None
    overwrite: bool = False
    edit: str | Path | None = None
    key: str | Path | None = None
    passphrase_file: str | Path | None = None
    base: str | Path | None = None
    out_of: str | Path | None = None
    subject: str | None = field(default=None, repr=False)
    case_key: str | Path | None = None

    def __post_init__(self) -> None:
        need_output(self.output)
        one_lock(key=self.key, passphrase_file=self.passphrase_file)


@dataclass(frozen=True, kw_only=True)
class VerifyReportRequest(Request):
    """A check of an output folder.

    Attributes:
        folder: Output folder of an audit, an erasure or a verification.
        checkpoint: Folder of the checkpoint that was judged, where it is not in `folder`; None does not look at it.
        edit: Folder that the edit was kept in (`erase --keep-edit`); None does not look at it.
        key: Public key, in PEM, of whoever signed the folder; None checks no signature.
        ledger: Ledger that must hold and list the folder; None looks at none.
    """

    folder: str | Path = field(kw_only=False)
    checkpoint: str | Path | None = None
    edit: str | Path | None = None
    key: str | Path | None = None
    ledger: str | Path | None = None


@dataclass(frozen=True, kw_only=True)
class PushRequest(Request):
    """An upload to the Hugging Face hub.

    Attributes:
        output: Output folder of an audit, an erasure or a verification.
        repo: Name of the repository, `owner/name`; it is made where it is missing.
        what: What is uploaded: `checkpoint`, `adapter` or `report`.
        private: Whether nobody else may see the repository: one that is made is private, a public one is refused.
        dry_run: Whether everything is checked and listed here, and the hub is not asked.
        base_model: Name on the hub of the model that was edited; None for the name that it was loaded by.
        edit: Folder that the edit was kept in, with the adapter; None for the one beside `output`.
        facts: Facts file: what is uploaded is searched for its secrets and full names again.
        request: Erasure request, YAML file or value: the same.
    """

    output: str | Path = field(kw_only=False)
    repo: str = field(kw_only=False)
    what: Pushable = "checkpoint"
    private: bool = True
    dry_run: bool = False
    base_model: str | None = None
    edit: str | Path | None = None
    facts: str | Path | None = None
    request: "str | Path | ErasureRequest | None" = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.what not in PUSHABLE:
            raise RequestError(f"There is no {self.what!r} to upload", f"Give one of {', '.join(PUSHABLE)}")
        check_hub_name(self.repo, owned=True)
        if self.base_model is not None:
            check_hub_name(self.base_model)
            if self.what == "report":
                raise RequestError("A report has no base model", "Leave it out")


@dataclass(frozen=True, kw_only=True)
class ChatRequest(Request):
    """The same prompts to an edited model and to the original.

    Attributes:
        edited: Checkpoint folder, output folder of an erasure, hub name, or PEFT adapter folder.
        against: The original model.
        prompts: What both are asked, each by itself.
        facts: Facts file, whose secrets and names are masked.
        request: Erasure request, YAML file or value: the same.
        policy: Preset's name, YAML file, or policy: what it calls personal is looked for and masked; None for none.
        show_secrets: Whether nothing is masked.
        temperature: Temperature of sampling; 0 takes the likeliest token.
        seed: Seed of sampling.
        tokens: Most tokens of an answer.
        chat: Whether prompts are put in the tokenizer's chat template; None for where there is one.
        system_prompt: What stands before every prompt to a chat model.
        device: `auto`, `cpu`, `cuda`, `cuda:1` ...
        dtype: Precision to compute in: `auto`, `float32`, `bfloat16` or `float16`.
        revision: Branch, tag or commit of the original model on the hub; None for its main branch.
        trust_remote_code: Whether Python code that comes with a model may run, where the model needs it.
    """

    edited: str | Path = field(kw_only=False)
    against: str | Path
    prompts: Sequence[str] = field(default=(), repr=False)
    facts: str | Path | None = None
    request: "str | Path | ErasureRequest | None" = field(default=None, repr=False)
    policy: "str | Path | Policy | None" = None
    show_secrets: bool = False
    temperature: float = 0.0
    seed: int = 0
    tokens: int = 128
    chat: bool | None = None
    system_prompt: str | None = field(default=None, repr=False)
    device: str = "auto"
    dtype: str = "auto"
    revision: str | None = None
    trust_remote_code: bool = False

    def __post_init__(self) -> None:
        at_least_one(tokens=self.tokens)
        check_temperature(self.temperature)
        if isinstance(self.prompts, str):
            raise RequestError("`prompts` is one text", "Give a list of texts")
