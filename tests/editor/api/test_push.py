"""Uploads to the hub: what goes up, what never does, and what is said where the hub refuses. The hub is a fake."""

import json
import shutil
from types import SimpleNamespace

import pytest
import torch
from huggingface_hub import ModelCard, errors
from made_parts import make_edit
from made_runs import made_report

import expunge
from editor.api.folder_requests import PUSHABLE, PushRequest
from editor.api.push import EVIDENCE
from editor.artefacts.masking import CaseKey
from editor.artefacts.output import OutputFolder
from editor.artefacts.replacing import edit_beside
from editor.attestation import agreement
from editor.attestation.attestation import Attestation
from editor.cli import main
from editor.cli.names import PUSHABLE_NAMES
from editor.edits.companions import companions_digest
from editor.edits.edit import Delta, Edit
from editor.edits.export import export_checkpoint, keep_edit
from editor.edits.keeping import Keeping
from editor.edits.records import EditRecord
from editor.measuring.summaries import renderers
from editor.model.digests import checkpoint_digests, model_digest, tensor_digests
from editor.report import write
from editor.results.report import ModelSummary
from policies.errors import EditError, ExitCode, HubError, OutputError, RequestError

KEY = CaseKey(bytes(range(32)))
FACTS = [("Ada Quill", "PHONE_NUMBER", "415-555-0132")]
LIGHT = {name: write.FORMATS[name] for name in ("report.json", "summary.md")}
PARAMETER = "transformer.h.0.mlp.c_proj.weight"


def write_run(folder, loaded, **changes):
    """Write the output folder of an erasure that changed one matrix, without the run."""
    weight = loaded.model.get_parameter(PARAMETER)
    left, right = torch.full((weight.shape[0], 1), 0.01), torch.full((1, weight.shape[1]), 0.02)
    edit = Edit(deltas={PARAMETER: Delta(left=left, right=right)}, method="memit")
    output = OutputFolder(folder, seed=0)
    kept = OutputFolder(edit_beside(folder), seed=0, private=True)
    with kept, output:
        originals = export_checkpoint(loaded, edit, output.path / "model")
        record = EditRecord(
            case="case",
            subjects=(),
            before=originals.digest,
            after=originals.edited,
            tensors=originals.changed,
            originals="kept",
        )
        edit.describe(output.path, record)
        adapter = keep_edit(edit, loaded, originals, kept.path, Keeping(), record)
        made = output.path / "model"
        before = ModelSummary(
            source=loaded.source,
            architecture="GPT2LMHeadModel",
            parameters=1,
            digest=model_digest(tensor_digests(loaded)),
        )
        edited = {
            "digest": model_digest(checkpoint_digests(made, loaded.model)),
            "beside": companions_digest(made),
        }
        after = before.model_copy(update={"source": "model", **edited})
        parts = {
            "model_before": before,
            "model_after": after,
            "edit": make_edit().model_copy(update={"adapter": adapter, "parameters": (PARAMETER,)}),
        }
        report = made_report(FACTS, KEY, **(parts | changes))
        output.seed = report.seed
        output.versions = report.versions | renderers()
        output.inputs = {
            "policy": report.policy.digest,
            "model": report.model_before.digest,
            "corpus": report.scope.corpus,
        }
        output.attestor = Attestation(report=report)
        output.write_text("features.html", "<p>quoted</p>")
        write.write_report(output, report)
    return folder


@pytest.fixture(scope="module")
def _light():
    """Pages that take long to draw are left out."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(write, "FORMATS", LIGHT)
        patch.setattr(agreement, "FORMATS", LIGHT)
        yield


@pytest.fixture(scope="module")
def run(tmp_path_factory, loaded, _light):
    """The folder of an erasure. Tests must leave it as it was."""
    return write_run(tmp_path_factory.mktemp("run") / "out", loaded("gpt2"))


@pytest.fixture
def copied(run, tmp_path):
    return shutil.copytree(run, tmp_path / "out")


class Hub:
    """A hub with one account, and what was done to it."""

    def __init__(self, state=None, failing=None):
        self.state, self.failing = state, failing or {}
        self.made, self.commits = [], []

    def _fail(self, name):
        if name in self.failing:
            raise self.failing[name]

    def model_info(self, _):
        self._fail("model_info")
        if self.state is None:
            raise refusal(errors.RepositoryNotFoundError, 401)
        return SimpleNamespace(
            private=self.state["private"],
            siblings=[SimpleNamespace(rfilename=file) for file in self.state.get("files", ())],
        )

    def whoami(self):
        self._fail("whoami")

    def create_repo(self, name, *, private, exist_ok):
        self._fail("create_repo")
        assert exist_ok
        self.made.append((name, private))
        return f"https://hub.example/{name}"

    def create_commit(self, name, operations, *, commit_message):
        self._fail("create_commit")
        files = {}
        for one in operations:
            with one.as_file() as stream:
                files[one.path_in_repo] = stream.read()
        self.commits.append((name, commit_message, files))


def refusal(kind, status):
    error = kind.__new__(kind)
    error.response = SimpleNamespace(status_code=status)
    return error


@pytest.fixture
def on(monkeypatch):
    """Make a hub the one that is asked, with a token for it."""

    def use(hub, token="hf_0123456789"):
        monkeypatch.setattr("huggingface_hub.HfApi", lambda **_: hub)
        monkeypatch.setattr("huggingface_hub.get_token", lambda: token)
        return hub

    return use


@pytest.fixture
def no_hub(monkeypatch):
    monkeypatch.setattr("huggingface_hub.HfApi", pytest.fail)


@pytest.mark.usefixtures("no_hub")
def test_a_dry_run_lists_the_checkpoint_and_asks_nobody(run):
    pushed = expunge.push(run, "owner/letters", dry_run=True)
    assert pushed.address is None
    assert pushed.files == {path.name: path.stat().st_size for path in (run / "model").iterdir()}
    assert "README.md" in pushed.files
    assert pushed.unchecked == ()


def test_a_checkpoint_goes_up_in_one_commit_to_a_private_repository(run, on):
    hub = on(Hub())
    pushed = expunge.push(run, "owner/letters")
    assert hub.made == [("owner/letters", True)]
    ((name, message, files),) = hub.commits
    assert (name, message.split(",")[0]) == ("owner/letters", "Checkpoint")
    assert files == {path.name: path.read_bytes() for path in (run / "model").iterdir()}
    assert pushed.address == "https://hub.example/owner/letters"


def test_a_card_names_the_base_model_that_was_named(run, on):
    hub = on(Hub({"private": True}))
    expunge.push(run, "owner/letters", base_model="org/base")
    card = ModelCard(hub.commits[0][2]["README.md"].decode())
    assert (card.data.base_model, card.data.library_name) == ("org/base", "transformers")


def test_an_adapter_goes_up_with_a_card_and_a_base_that_others_have(run, on):
    hub = on(Hub())
    expunge.push(run, "owner/adapter", what="adapter", base_model="org/base")
    files = hub.commits[0][2]
    assert files.keys() == {"README.md", "adapter_config.json", "adapter_model.safetensors"}
    assert json.loads(files["adapter_config.json"])["base_model_name_or_path"] == "org/base"
    assert str(run) not in files["adapter_config.json"].decode()
    card = ModelCard(files["README.md"].decode())
    assert (card.data.library_name, card.data.base_model_relation) == ("peft", "adapter")


@pytest.mark.usefixtures("no_hub")
@pytest.mark.usefixtures("no_hub")
def test_an_adapter_that_is_kept_elsewhere_is_named(run, copied):
    with pytest.raises(EditError, match="kept elsewhere"):
        expunge.push(copied, "owner/adapter", what="adapter", base_model="org/base", dry_run=True)
    kept = shutil.copytree(edit_beside(run), copied.with_name("kept"))
    named = {"what": "adapter", "base_model": "org/base", "dry_run": True, "edit": kept}
    assert "adapter_model.safetensors" in expunge.push(copied, "owner/adapter", **named).files
    path = kept / "adapter" / "adapter_model.safetensors"
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(OutputError, match="does not agree with itself"):
        expunge.push(copied, "owner/adapter", **named)
    shutil.rmtree(kept / "adapter")
    with pytest.raises(OutputError, match="holds no adapter"):
        expunge.push(copied, "owner/adapter", **named)


def test_an_adapter_whose_base_is_a_folder_here(run):
    with pytest.raises(OutputError, match="base is a folder here"):
        expunge.push(run, "owner/adapter", what="adapter", dry_run=True)


def test_a_report_goes_up_without_what_quotes_the_corpus(run, on):
    hub = on(Hub())
    expunge.push(run, "owner/letters", what="report", private=False)
    assert hub.made == [("owner/letters", False)]
    names = {"report.json", "summary.md", "manifest.json", "bom.json", "statement.json"}
    assert hub.commits[0][2].keys() == {f"report/{name}" for name in names}
    assert (run / "features.html").is_file()
    assert not [name for name in EVIDENCE if "edit" in name or name.endswith(".key")]


@pytest.mark.usefixtures("no_hub")
@pytest.mark.parametrize(
    ("inside", "cause"),
    [
        ("../out.edit", "holds the change of weights"),
        ("../out.edit/adapter", "holds the change of weights"),
        ("model", "is no output folder"),
        ("nowhere", "is no output folder"),
    ],
)
def test_a_part_of_a_folder_is_refused(run, inside, cause):
    with pytest.raises(OutputError, match=cause):
        expunge.push(run / inside, "owner/letters", dry_run=True)


@pytest.mark.usefixtures("no_hub")
@pytest.mark.parametrize("name", ["out.unfinished", "out.arms", ".out.partial-0123abcd", ".out.replaced-01"])
def test_a_folder_that_a_run_works_in_is_refused(copied, name):
    folder = copied.rename(copied.with_name(name))
    with pytest.raises(OutputError, match="a run works in"):
        expunge.push(folder, "owner/letters", dry_run=True)


@pytest.mark.parametrize("what", ["checkpoint", "report"])
def test_a_folder_that_does_not_agree_with_itself_is_not_uploaded(copied, on, what):
    hub = on(Hub())
    path = copied / "model" / "config.json"
    path.write_text(path.read_text() + " ")
    with pytest.raises(OutputError, match="does not agree with itself") as refused:
        expunge.push(copied, "owner/letters", what=what)
    assert "verify-report" in refused.value.remedy
    assert (hub.made, hub.commits) == ([], [])


@pytest.mark.usefixtures("no_hub", "_light")
def test_a_checkpoint_that_leaks_stays_here_and_its_report_may_go(tmp_path, loaded):
    rows = made_report([(*FACTS[0], True)], KEY)
    folder = write_run(tmp_path / "out", loaded("gpt2"), facts=rows.facts)
    for what in ("checkpoint", "adapter"):
        with pytest.raises(OutputError, match="still leaks more than its policy allows"):
            expunge.push(folder, "owner/letters", what=what, dry_run=True)
    assert "report/report.json" in expunge.push(folder, "owner/letters", what="report", dry_run=True).files


@pytest.mark.parametrize("secret", ["GPT2LMHeadModel", "gpt2lmheadmodel"])
def test_files_are_searched_for_what_a_request_names(run, on, tmp_path, secret):
    hub = on(Hub())
    request = tmp_path / "request.yaml"
    request.write_text(
        f"case: c\nsubjects:\n  - name: Ada Quill\n    aliases: [A]\n    secrets: {{CODE: {secret}}}\n"
    )
    with pytest.raises(OutputError, match="holds a secret of those") as refused:
        expunge.push(run, "owner/letters", request=request)
    assert secret not in str(refused.value)
    assert hub.commits == []
    request.write_text("case: c\nsubjects:\n  - name: Ada Quill\n    email: ada@example.org\n")
    assert expunge.push(run, "owner/letters", request=request).searched == 2


@pytest.mark.parametrize(
    ("hub", "cause"),
    [
        (Hub({"private": False}), "owner/letters is public on the hub"),
        (Hub(failing={"whoami": refusal(errors.HfHubHTTPError, 401)}), "does not take the token"),
        (Hub(failing={"model_info": refusal(errors.GatedRepoError, 403)}), "does not let you write"),
        (Hub(failing={"create_repo": refusal(errors.HfHubHTTPError, 403)}), "does not let you write"),
        (Hub(failing={"create_commit": refusal(errors.HfHubHTTPError, 503)}), "HTTP 503"),
        (Hub(failing={"model_info": errors.OfflineModeIsEnabled("token=hf_0")}), "cannot be reached"),
        (Hub(failing={"create_commit": ConnectionError("token=hf_0")}), "cannot be reached"),
    ],
)
def test_what_the_hub_refuses_is_said_plainly(run, on, hub, cause):
    on(hub)
    with pytest.raises(HubError, match=cause) as refused:
        expunge.push(run, "owner/letters")
    assert "hf_0" not in str(refused.value)
    assert refused.value.exit_code is ExitCode.USAGE
    assert hub.commits == []


def test_no_token(run, on):
    on(Hub(), token=None)
    with pytest.raises(HubError, match="no token for the hub") as refused:
        expunge.push(run, "owner/letters")
    assert "hf auth login" in refused.value.remedy


@pytest.mark.parametrize(
    ("what", "there"),
    [
        ("adapter", "model.safetensors"),
        ("adapter", "model-00001-of-00002.safetensors"),
        ("checkpoint", "adapter_model.safetensors"),
    ],
)
def test_a_checkpoint_and_its_adapter_are_kept_apart(run, on, what, there):
    hub = on(Hub({"private": True, "files": ["README.md", there]}))
    with pytest.raises(RequestError, match="together give the facts back"):
        expunge.push(run, "owner/letters", what=what, base_model="org/base")
    assert hub.commits == []


@pytest.mark.parametrize(
    ("given", "cause"),
    [
        ({"repo": "letters"}, "no name of a repository"),
        ({"repo": "a/b/c"}, "no name of a repository"),
        ({"repo": "owner/let ters"}, "no name of a repository"),
        ({"repo": "owner/letters", "what": "edit"}, "no 'edit' to upload"),
        ({"repo": "owner/letters", "base_model": "/home/m"}, "no name of a repository"),
        ({"repo": "owner/letters", "what": "report", "base_model": "org/base"}, "no base model"),
    ],
)
def test_a_request_that_contradicts_itself(given, cause):
    with pytest.raises(RequestError, match=cause):
        PushRequest("out", **given)


def test_the_names_of_what_can_be_uploaded_are_those_that_help_shows():
    assert PUSHABLE == PUSHABLE_NAMES


@pytest.mark.usefixtures("no_hub")
def test_the_command(run, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["push", str(run), "owner/letters", "--dry-run"])
    out = capsys.readouterr().out
    assert stopped.value.code == 0
    assert "model.safetensors" in out
    assert "Nothing was uploaded" in out
    assert "owner/letters (private)" in out
    with pytest.raises(SystemExit) as stopped:
        main(["push", str(run), "letters", "--dry-run", "--json"])
    said = json.loads(capsys.readouterr().out)
    assert (stopped.value.code, said["exit_code"]) == (2, 2)
    assert "no name of a repository" in said["error"]["cause"]
    with pytest.raises(SystemExit):
        main(["push", str(run), "owner/letters", "--dry-run", "--json", "--what", "report", "--public"])
    said = json.loads(capsys.readouterr().out)
    assert (said["uploaded"], said["private"], said["what"]) == (False, False, "report")
    assert "report/report.json" in said["files"]
