"""What somebody can do who rewrites a folder with the same program: everything that is derived is derived again."""

import hashlib
import json

import expunge
from editor.attestation.bom import bom_text
from editor.attestation.statement import canonical, checkpoint_files, statement_text
from editor.report.write import FORMATS, checkpoint_pages
from editor.results.report import Report
from policies.errors import ExitCode


def rewrite_report(folder, change):
    """Change the report's data, and write its pages and all evidence about it anew."""
    path = folder / "report.json"
    data = json.loads(path.read_text(encoding="utf-8"))
    change(data)
    report = Report.from_json(json.dumps(data))
    started = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["started"]
    for name, render in FORMATS.items():
        (folder / name).write_text(render(report, started), encoding="utf-8", newline="\n")
    for name, text in checkpoint_pages(report).items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")
    attest_anew(folder)


def attest_anew(folder, change=None):
    """Write manifest, bill of materials and Statement as if the files that are there were those of the run."""
    report = Report.from_json((folder / "report.json").read_text(encoding="utf-8"))
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    manifest["files"] = {name: row for name, row in manifest["files"].items() if (folder / name).exists()}
    update_digests(folder, manifest)
    (folder / "bom.json").write_text(bom_text(report, checkpoint_files(manifest)), encoding="utf-8")
    update_digests(folder, manifest)
    if change is not None:
        change(manifest)
    text = canonical(manifest)
    (folder / "manifest.json").write_text(text, encoding="utf-8")
    (folder / "statement.json").write_text(statement_text(text, report), encoding="utf-8")


def update_digests(folder, manifest):
    for name, row in manifest["files"].items():
        data = (folder / name).read_bytes()
        row |= {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}


def config_changed(folder, _):
    """Change two settings of the checkpoint, one of which is its number of layers."""
    path = folder / "model" / "config.json"
    config = json.loads(path.read_text())
    config["tie_word_embeddings"] = not config["tie_word_embeddings"]
    config["num_hidden_layers"] = 1
    path.write_text(json.dumps(config, indent=2))


def wrong(folder, **options):
    """What `verify_report` finds in a folder, in one line; the exit code must say the same."""
    checked = expunge.verify_report(folder, **options)
    assert checked.exit_code == (ExitCode.USAGE if checked.disagreements else checked.exit_code)
    return " | ".join(checked.disagreements)
