"""What the jobs share: their inputs read and checked, their output folder, their case key, their progress."""

import getpass
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from detectors.files import file_digest
from editor.api.checking import check_inputs
from editor.api.read_paths import read_paths
from editor.api.requests import CaseRequest, JudgedRequest, Request
from editor.api.stages import make_stages
from editor.artefacts.masking import CaseKey
from editor.artefacts.output import OutputFolder
from editor.artefacts.scanner import SecretScanner
from editor.attestation.attestation import Attestation
from editor.attestation.signing import Signer
from editor.attestation.statement import KEYED_INPUTS
from editor.case import Case, CaseFiles, open_case
from editor.measuring.gate import FailOn
from editor.measuring.summaries import renderers, versions
from editor.model.loading import LoadedModel, load_model
from editor.model.mapping import is_mapped
from editor.pipeline import RunInfo
from editor.processes import group
from editor.progress import Stages
from editor.report.write import write_report
from editor.results.report import Report
from policies import ErasureRequest, Policy, load_policy, load_request
from policies.errors import ModelError, OutputError, RequestError, printable

if TYPE_CHECKING:
    from dictionaries import Site


@dataclass(frozen=True, kw_only=True)
class Judging:
    """Gate and policy that a run is judged by.

    Attributes:
        gate: Outcomes that the run fails on.
        policy: The policy that was given.
        judged_by: The policy with the thresholds that the run replaces.
    """

    gate: FailOn
    policy: Policy
    judged_by: Policy

    @classmethod
    def of(cls, request: JudgedRequest) -> "Judging":
        """Read what a request is judged by.

        Raises:
            PolicyError: the policy cannot be used, or `fail_on` cannot be read.
        """
        gate, policy = FailOn.parse(request.fail_on), read_policy(request.policy)
        return cls(gate=gate, policy=policy, judged_by=gate.applied_to(policy))

    def judge(self, report: Report, case: Case) -> Report:
        """Give a report its exit code."""
        return self.gate.judge(report, self.policy, incomplete=case.incomplete)


def read_policy(policy: str | Path | Policy) -> Policy:
    """Return the policy itself, or load it.

    Raises:
        PolicyError: the policy cannot be read or used.
    """
    return policy if isinstance(policy, Policy) else load_policy(policy)


def read_request(
    request: "str | Path | ErasureRequest | None", subjects: "tuple[str, ...]"
) -> ErasureRequest | None:
    """Return the erasure request that a file, a value or names make; None for everybody's data."""
    if isinstance(request, ErasureRequest):
        return request
    if request is not None:
        return load_request(Path(request))
    return ErasureRequest.from_names(subjects) if subjects else None


def read_earlier(request: CaseRequest) -> tuple[ErasureRequest, ...]:
    """Return the requests whose facts were erased before.

    Raises:
        PolicyError: one cannot be read.
    """
    return tuple(
        one if isinstance(one, ErasureRequest) else load_request(Path(one)) for one in request.also_erased
    )


def read_site(site: "str | Site | None") -> "Site | None":
    """Return the site itself, or read its name.

    Raises:
        DictionaryError: it is no site.
    """
    from dictionaries import parse_site

    return parse_site(site) if isinstance(site, str) else site


def as_path(path: str | Path | None) -> Path | None:
    """Return a path, or None."""
    return None if path is None else Path(path)


def checkpoint_of(edited: str | Path) -> str:
    """Return the checkpoint that an output folder of an erasure holds, or the folder or name itself."""
    inside = Path(edited) / "model"
    return str(inside if inside.is_dir() else edited)


def show_stages(request: Request) -> Stages:
    """Return bars on standard error, or nothing."""
    return make_stages(quiet=not request.progress or not group().main)


def read_case(request: CaseRequest, policy: Policy, stages: Stages) -> Case:
    """Read and check everything that a request names; the first of several processes does so for all.

    Raises:
        CorpusError: a file cannot be read, or nothing personal was found in it.
        SubjectError: a requested subject is not in the corpus.
    """
    files = CaseFiles(
        corpus=as_path(request.corpus),
        facts=as_path(request.facts),
        probes=as_path(request.probes),
        quality=as_path(request.detector_quality),
    )
    whom = read_request(request.request, tuple(request.subjects))
    seed = policy.seed if request.seed is None else request.seed
    earlier = read_earlier(request)
    return group().share(
        "case",
        lambda: open_case(
            files, policy, whom, seed=seed, earlier=earlier, processes=request.processes, stages=stages
        ),
    )


def load_original(request: CaseRequest, source: str | Path) -> LoadedModel:
    """Load a model whose weights are to be looked into or edited: no quantised one.

    What the request names beside it is checked first.

    Raises:
        ExpungeError: a file of the request cannot be used (`check_inputs`).
        ModelError: it cannot be loaded, is quantised, or is to be attacked where it does not fit into memory.
    """
    check_inputs(request)
    loaded = load_model(
        str(source),
        device=request.device,
        trust_remote_code=request.trust_remote_code,
        full_precision=True,
        revision=request.revision if str(source) == _judged(request) else None,
        dtype=request.dtype,
        batch_size=request.batch_size,
        max_memory=getattr(request, "max_memory", None),
    )
    if is_mapped(loaded.model) and getattr(request, "attacks", "none") != "none":
        raise ModelError(
            f"{source} does not fit into the memory of --max-memory, and attacks change all of its weights in memory",
            "Give --attacks none, or more memory",
        )
    return loaded


def _judged(request: CaseRequest) -> str:
    """Return the model that a request is about, whose revision it names."""
    return str(getattr(request, "against", None) or getattr(request, "model", ""))


@contextmanager
def open_output(request: CaseRequest, *, again: bool = False) -> Iterator[OutputFolder | None]:
    """Open the output folder, written whole or not at all; None where none was named.

    Of several processes the first one opens it; the others are given where it lies, and write nothing.

    Args:
        request: what was asked.
        again: whether what stands there is the run's own, which was stopped after that: it is replaced.
    """
    processes = group()
    if request.output is None:
        yield None
    elif processes.main:
        with open_folder(request, again=again) as output:
            processes.share("output", lambda: output.path)
            yield output
    else:
        yield open_folder(request).followed(processes.share("output", Path))


def open_folder(request: CaseRequest, *, again: bool = False) -> OutputFolder:
    """Return the folder that a request names, which its `with` block opens; `again` as `open_output` has it."""
    assert request.output is not None
    return OutputFolder(
        request.output,
        overwrite=request.overwrite or again,
        versions=versions() | renderers(),
        seed=request.seed or 0,
        reads=read_paths(request),
    )


def read_key(request: CaseRequest) -> CaseKey:
    """Return the named key, or the one beside the output folder; a new one is not stored yet.

    Raises:
        OutputError: it cannot be read, or it would lie in the output folder, whose labels it resolves.
    """
    if request.output is None:
        return CaseKey.load_or_generate(request.case_key) if request.case_key else CaseKey.generate()
    output = Path(request.output).resolve()
    path = Path(request.case_key) if request.case_key else output.with_name(f"{output.name}.key")
    if path.resolve().is_relative_to(output):
        raise OutputError(
            f"The case key {path} lies in the output folder", "Name a path apart from the output"
        )
    return CaseKey.load_or_generate(path)


def describe_run(request: JudgedRequest, function: str) -> RunInfo:
    """Return who runs what; names of data subjects in it are masked. Of several processes, the first one's."""
    return group().share(
        "run",
        lambda: RunInfo(
            operator=printable(request.operator or _login()),
            command=printable(request.command or request.call_text(function)),
            key=read_key(request),
        ),
    )


def read_signer(request: JudgedRequest) -> Signer | None:
    """Return the key that signs; None where none was named.

    Raises:
        RequestError: it cannot be read or used, or would lie in the output folder, which others are given.
    """
    if request.sign_key is None or request.output is None:
        return None
    path = Path(request.sign_key)
    if path.resolve().is_relative_to(Path(request.output).resolve()):
        raise RequestError(f"The key {path} lies in the output folder", "Keep it apart from the output")
    return Signer.load(path)


def close(
    output: OutputFolder | None,
    request: JudgedRequest,
    case: Case,
    run: RunInfo,
    report: Report,
    signer: Signer | None,
    checkpoint: Path | None = None,
) -> None:
    """Store the case key and write the report, checked for every secret; nothing where there is no folder.

    Of several processes, the first one does.

    Args:
        output: output folder.
        request: what was asked.
        case: everything that the run was given.
        run: who runs what.
        report: what was measured.
        signer: key that signs; None for no signature.
        checkpoint: folder of the checkpoint that was judged, where it is not in the output.
    """
    if output is None or not group().main:
        return
    output.scanner = scanner_for(case, run.key)
    output.seed = case.seed
    keyed = {name: as_path(getattr(request, name)) for name in KEYED_INPUTS}
    output.inputs = {
        "policy": report.policy.digest,
        "model": report.model_before.digest,
        "corpus": report.scope.corpus,
        "case": run.key.digest("case", case.name.encode()),
    } | {name: run.key.digest(name, path.read_bytes()) for name, path in keyed.items() if path is not None}
    if report.forget_quality is not None and report.forget_quality.reference is not None:
        output.inputs |= {"reference": report.forget_quality.reference.digest}
    if checkpoint is not None and checkpoint.is_dir():
        found = sorted(path for path in checkpoint.iterdir() if path.is_file())
        output.checkpoint = {path.name: file_digest(path) for path in found}
    output.attestor = Attestation(report=report, checkpoint=output.checkpoint, signer=signer)
    run.key.store()
    write_report(output, report)


def scanner_for(case: Case, key: CaseKey) -> SecretScanner:
    """Return a scanner for every secret known to the case, and for full names and aliases of the people in scope.

    A name of one word may be a word of any report: it is looked for in what the run is called alone.
    """
    asked = (*case.earlier, *([case.request] if case.request else ()))
    people = {name for one in asked for subject in one.subjects for name in (subject.name, *subject.aliases)}
    people |= {fact.subject for fact in case.must_not_leak}
    names = {name for name in people if " " in name or any(map(str.isdigit, name))}
    return SecretScanner.from_facts(case.all_facts(), key, names)


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"user {os.getuid()}"
