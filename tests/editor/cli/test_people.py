"""Names and requests that stand on no command line, where other users can read them."""

import io
import sys

import click
import pytest
from click.testing import CliRunner

from editor.cli.options import REQUEST, SUBJECTS
from policies import ErasureRequest
from policies.errors import PolicyError


@click.command()
@SUBJECTS
@REQUEST
@click.pass_context
def told(context, **options):
    context.obj.update(options)


def run(*arguments, given=b""):
    found = {}
    done = CliRunner().invoke(told, arguments, obj=found, input=given)
    return done, found


def test_names_from_a_file_and_from_standard_input(tmp_path):
    (tmp_path / "names.txt").write_text("Ada Quill\n\n  Bruno Marsh \n", encoding="utf-8-sig")
    _, found = run("--subject", "Cora Finch", "--subject", f"@{tmp_path / 'names.txt'}")
    assert found["subjects"] == ("Cora Finch", "Ada Quill", "Bruno Marsh")
    _, found = run("--subject", "@-", given="Zoë Quill\n".encode())
    assert found["subjects"] == ("Zoë Quill",)


@pytest.mark.parametrize("content", [None, b"", b"\n\n", b"\xff\xfe\xff"])
def test_files_of_no_names(tmp_path, content):
    if content is not None:
        (tmp_path / "names.txt").write_bytes(content)
    done, _ = run("--subject", f"@{tmp_path / 'names.txt'}")
    assert done.exit_code == 2
    assert "names.txt" in done.output


def test_a_request_from_standard_input():
    _, found = run("--request", "-", given=b"case: C-1\nsubjects: [Ada Quill]\n")
    assert isinstance(found["request"], ErasureRequest)
    assert found["request"].subjects[0].name == "Ada Quill"
    assert run("--request", "r.yaml")[1]["request"].name == "r.yaml"


@pytest.mark.parametrize("given", [b"", b"case: [", b"\xff"])
def test_no_request_on_standard_input(given, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given)))
    with pytest.raises(PolicyError, match="standard input"):
        told.main(["--request", "-"], standalone_mode=False, obj={})
