"""What each job is asked: typed, checked once, the same from the command line and from Python.

Importing this imports neither torch nor Presidio.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from editor.api.call_text import written
from editor.api.refusals import (
    at_least_one,
    check_attacks,
    check_reference,
    need_output,
    one_lock,
)
from editor.artefacts.replacing import edit_beside
from editor.attacks import AttackSet
from policies import ErasureRequest, Policy
from policies.errors import RequestError

if TYPE_CHECKING:
    from dictionaries import Site


@dataclass(frozen=True, kw_only=True)
class Request:
    """What every job takes.

    Attributes:
        progress: Whether progress bars are shown on standard error.
        estimate: Whether it is said there before what a run is going to take, by the jobs that plan it.
        command: Command that runs the job again, data subjects' names masked; None for the call from Python.
    """

    progress: bool = False
    estimate: bool = False
    command: str | None = None

    def call_text(self, function: str) -> str:
        """Return the call from Python, whoever is named in it masked."""
        return f"expunge.{function}({written(self)})"


@dataclass(frozen=True, kw_only=True)
class CaseRequest(Request):
    """Whose data, where it is found, and what counts as personal.

    Attributes:
        corpus: Text that the model was trained on.
        facts: Facts file that stands in for detection.
        policy: Preset's name, YAML file, or policy.
        request: Erasure request: YAML file or value. Without it and without `subjects`, everybody is in scope.
        subjects: Full names of data subjects, instead of `request`.
        probes: File with wordings that are not in the corpus, for verification.
        detector_quality: What `expunge detect --score` measured, for the report's coverage.
        processes: Number of processes that search the corpus; None for one a core where it is large.
        output: New folder; None keeps nothing on disk.
        overwrite: Whether an output folder that exists is replaced.
        case_key: File with the key of the labels, made if missing; None for one beside the output.
        device: `auto`, `cpu`, `cuda`, `cuda:1` ...
        seed: Seed of everything random; None for the policy's.
        trust_remote_code: Whether Python code that comes with a model may run, where the model needs it.
        also_erased: Earlier requests, YAML files or values, whose facts the model must not know any more.
        revision: Branch, tag or commit of the model on the hub; None for its main branch.
        dtype: Precision to compute in: `auto`, `float32`, `bfloat16` or `float16`.
        batch_size: Most tokens in one batch, padding included; None for as many as memory is meant for.
    """

    corpus: str | Path | None = None
    facts: str | Path | None = None
    policy: "str | Path | Policy" = "gdpr"
    request: "str | Path | ErasureRequest | None" = field(default=None, repr=False)
    subjects: Sequence[str] = field(default=(), repr=False)
    probes: str | Path | None = None
    detector_quality: str | Path | None = None
    processes: int | None = None
    output: str | Path | None = None
    overwrite: bool = False
    case_key: str | Path | None = None
    device: str = "auto"
    seed: int | None = None
    trust_remote_code: bool = False
    also_erased: "Sequence[str | Path | ErasureRequest]" = field(default=(), repr=False)
    revision: str | None = None
    dtype: str = "auto"
    batch_size: int | None = None

    def __post_init__(self) -> None:
        if self.batch_size is not None:
            at_least_one(batch_size=self.batch_size)
        if isinstance(self.also_erased, str | Path | ErasureRequest):
            raise RequestError("`also_erased` is one request", "Give a list of requests")
        if self.also_erased and not self.names_people:
            raise RequestError(
                "Everybody is in scope, the people of earlier requests too", "Give --request or --subject"
            )
        if self.corpus is None and self.facts is None:
            raise RequestError("Neither a corpus nor facts were named", "Give --corpus or --facts")
        if isinstance(self.subjects, str):
            raise RequestError("`subjects` is one text", "Give a list of full names")
        if self.request is not None and self.subjects:
            raise RequestError(
                "A request and subjects were both named", "Give --request or --subject, not both"
            )

    @property
    def names_people(self) -> bool:
        """Whether the people in scope are named: otherwise everybody is."""
        return self.request is not None or bool(self.subjects)


@dataclass(frozen=True, kw_only=True)
class JudgedRequest(CaseRequest):
    """A job whose report is judged by the policy.

    Attributes:
        fail_on: Outcomes that give an exit code other than 0 (`leakage`, `utility`, `incomplete`, or `none`), and
            thresholds as `NAME=NUMBER` that replace the policy's.
        operator: Who answers for the run; None for the user's login.
        sign_key: Private key, Ed25519 or ECDSA P-256 in PEM, that signs the folder; None for no signature.
        resume: Whether what is made is kept in `OUTPUT.unfinished` until the run has ended, for the same call to take
            up; never where an edit is encrypted.
    """

    fail_on: Sequence[str] = ()
    operator: str | None = None
    sign_key: str | Path | None = field(default=None, repr=False)
    resume: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.sign_key is not None and self.output is None:
            raise RequestError("There is nothing to sign without an output folder", "Name the output folder")


@dataclass(frozen=True, kw_only=True)
class AuditRequest(JudgedRequest):
    """An audit.

    Attributes:
        model: Checkpoint folder, hub name, or PEFT adapter folder.
        baseline: Model that it was made from; what that one leaks already is told from what was learned.
        confirm: Number of verdicts compared with generation.
        open_texts: Number of texts generated from nothing and searched for personal data.
        candidates: Number of secrets of the same format among which facts are ranked.
        membership: Whether membership tests are run.
        chat: Whether questions are put in the tokenizer's chat template; None for where there is one.
        system_prompt: What stands before every question to a chat model.
        max_memory: Most memory of each device that the model is spread over, such as `0=20GiB,cpu=60GiB`; what does
            not fit is read from the disk whenever it is run. None for what there is.
    """

    model: str | Path = field(kw_only=False)
    baseline: str | Path | None = None
    confirm: int = 40
    open_texts: int = 64
    candidates: int = 255
    membership: bool = True
    chat: bool | None = None
    system_prompt: str | None = None
    max_memory: str | None = None


@dataclass(frozen=True, kw_only=True)
class DictionaryRequest(CaseRequest):
    """A job that may read dictionaries.

    Attributes:
        dictionary: Folder, file or hub name, in any format that is read; None trains Gated SAEs of MLPs.
        site: Site that it reads, such as `mlp_out.3`, where it does not say; of several, the one to use.
    """

    dictionary: str | Path | None = None
    site: "str | Site | None" = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.site is not None and self.dictionary is None:
            raise RequestError(
                "A site was named (--site), and no dictionary that reads it",
                "Name the dictionary by --dictionary, or leave the site out",
            )


@dataclass(frozen=True, kw_only=True)
class EraseRequest(JudgedRequest, DictionaryRequest):
    """An erasure.

    Attributes:
        model: Checkpoint folder, hub name, or PEFT adapter folder.
        method: Name in `editor.methods.METHODS`.
        strength: `auto` searches for an edit that meets the policy, `default` takes the method's settings as
            they are, a number is the method's strength.
        trials: Number of search trials, at most.
        settings: Settings of the method other than its defaults, by name.
        controls: Whether control edits of the same size are measured too; None where the model is small.
        previous: Output folders of earlier erasures whose edits the model has; their requests are `also_erased`.
        keep_edit: Whether the change of weights and what a revert needs are kept: in the folder named, or beside the
            output (`OUTPUT.edit`) where it is True. Either leads back to the facts.
        originals_key: File with the key that both are encrypted with.
        originals_passphrase_file: File with the passphrase that both are encrypted with.
        attacks: Attacks on what was edited: `quick` ones, `full` with those that train for long, or `none`.
        ledger: File that gets a line about the run, chained to those before it; None for no ledger.
        reference: Model that never saw the facts, which the edited model's are compared with; None for decoys.
        requests: Folder of requests (`expunge request`): all that wait for their erasure are erased together.
        max_memory: Most memory of the processor for weights, such as `cpu=8GiB`; what does not fit is mapped from the
            model's files. None for what there is.
    """

    model: str | Path = field(kw_only=False)
    method: str = "feature-edit"
    strength: str | float = "auto"
    trials: int = 8
    settings: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    controls: bool | None = None
    previous: Sequence[str | Path] = ()
    keep_edit: bool | str | Path = False
    originals_key: str | Path | None = None
    originals_passphrase_file: str | Path | None = None
    attacks: AttackSet = "quick"
    ledger: str | Path | None = None
    reference: str | Path | None = None
    requests: str | Path | None = None
    max_memory: str | None = None

    @property
    def names_people(self) -> bool:
        """Whether the people in scope are named: otherwise everybody is."""
        return super().names_people or self.requests is not None

    @property
    def edit_folder(self) -> Path | None:
        """Folder that the edit is kept in; None where it is not."""
        if self.keep_edit is True or self.keep_edit == "":
            return edit_beside(self.output or "")
        return Path(self.keep_edit) if self.keep_edit else None

    def __post_init__(self) -> None:
        super().__post_init__()
        need_output(self.output)
        check_reference(self.reference, self.model)
        if self.requests is not None and (self.request is not None or self.subjects):
            raise RequestError(
                "A folder of requests and other people were both named",
                "Give --requests, --request or --subject",
            )
        if isinstance(self.previous, str | Path):
            raise RequestError("`previous` is one folder", "Give a list of folders")
        if self.previous and not self.also_erased:
            raise RequestError(
                "Edits before this one were named (--previous), but not whose facts they erased: their folders hold "
                "no personal data",
                "Give their requests again by --also-erased",
            )
        locks = {"key": self.originals_key, "passphrase_file": self.originals_passphrase_file}
        one_lock(**locks)
        if self.edit_folder is None and any(file is not None for file in locks.values()):
            raise RequestError(
                "An edit that is not kept cannot be encrypted", "Add --keep-edit, or leave out the key"
            )
        check_attacks(self.attacks)
        at_least_one(trials=self.trials)


@dataclass(frozen=True, kw_only=True)
class PlanRequest(DictionaryRequest):
    """A plan of an audit and an erasure.

    Attributes:
        model: Checkpoint folder, hub name, or PEFT adapter folder; a folder with `config.json` alone is enough.
        method: Name in `editor.methods.METHODS`.
        strength: `auto`, `default` or a number, as an erasure has it.
        trials: Number of search trials, at most.
        settings: Settings of the method other than its defaults, by name.
        controls: Whether control edits are measured too; None where the model is small.
        keep_edit: Whether the change of weights and what a revert needs are kept too.
        attacks: Attacks on what was edited: `quick` ones, `full` with those that train for long, or `none`.
        confirm: Number of an audit's verdicts compared with generation.
        open_texts: Number of texts that an audit generates from nothing.
    """

    model: str | Path = field(kw_only=False)
    method: str = "feature-edit"
    strength: str | float = "auto"
    trials: int = 8
    settings: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    controls: bool | None = None
    keep_edit: bool = False
    attacks: AttackSet = "quick"
    confirm: int = 40
    open_texts: int = 64

    def __post_init__(self) -> None:
        super().__post_init__()
        check_attacks(self.attacks)
        at_least_one(trials=self.trials)


@dataclass(frozen=True, kw_only=True)
class VerifyRequest(JudgedRequest):
    """A verification.

    Attributes:
        edited: Checkpoint folder, or output folder of an erasure.
        against: The original model.
        attacks: Attacks on what was edited: `quick` ones, `full` with those that train for long, or `none`.
        reference: Model that never saw the facts, which the edited model's are compared with; None for decoys.
        max_memory: Most memory of the processor for weights, such as `cpu=8GiB`; what does not fit is mapped from the
            model's files. None for what there is.
    """

    edited: str | Path = field(kw_only=False)
    against: str | Path
    attacks: AttackSet = "quick"
    reference: str | Path | None = None
    max_memory: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_attacks(self.attacks)
        check_reference(self.reference, self.against, self.edited, Path(self.edited) / "model")


@dataclass(frozen=True, kw_only=True)
class LocateRequest(DictionaryRequest):
    """A search for the units that carry the facts.

    Attributes:
        model: Checkpoint folder, hub name, or PEFT adapter folder.
        locator: Name in `editor.locators.LOCATORS`.
        units: Number of units located, over all layers; None for the locator's own choice.
    """

    model: str | Path = field(kw_only=False)
    locator: str
    units: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.units is not None:
            at_least_one(units=self.units)


@dataclass(frozen=True, kw_only=True)
class CompareRequest(DictionaryRequest):
    """A comparison of edit methods.

    Attributes:
        model: Checkpoint folder, hub name, or PEFT adapter folder.
        arms: Names in `editor.methods.METHODS`; None for all. `feature-edit` is always one.
        seeds: Number of seeds, from `seed` on.
        trials: Number of search trials, for each arm and seed.
        resume: Whether a run that was stopped is resumed; what it finished is in OUTPUT.arms.
        parallel: Number of arms at a time; None for one a core, as many as memory allows, and one on a GPU.
        attacks: Attacks on what was edited: `quick` ones, `full` with those that train for long, or `none`.
    """

    model: str | Path = field(kw_only=False)
    arms: Sequence[str] | None = None
    seeds: int = 3
    trials: int = 3
    resume: bool = False
    parallel: int | None = None
    attacks: AttackSet = "quick"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_attacks(self.attacks)
        at_least_one(seeds=self.seeds, trials=self.trials)
        if self.resume and self.output is None:
            raise RequestError(
                "There is nothing to resume without an output folder", "Name the output folder"
            )
