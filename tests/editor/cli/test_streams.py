"""Closed and full streams change no exit code: what was computed stands, whoever reads the terminal."""

import os
import subprocess
import sys

import pytest
from launching import environment

pytestmark = pytest.mark.skipif(os.name != "posix", reason="descriptors")
PROGRAM = """
import sys, types
import click
from rich.console import Console
from editor import cli

@click.command()
@click.option("--json", is_flag=True)
@click.pass_context
def told(context, json):
    click.echo("‖ΔW‖ " + "x" * 100_000)
    Console(highlight=False).print("y " * 1_000)
    Console(stderr=True).print("bars")
    with open("written", "w") as file:
        file.write("whole")
    context.exit(1)

sys.modules["told"] = types.SimpleNamespace(told=told)
cli.COMMANDS["told"] = ("told", "told", "")
cli.cli.commands = cli.LazyCommands(cli.COMMANDS)
sys.argv = ["expunge", "told"]
cli.main()
"""


def run(here, redirected, **variables):
    command = f'"$0" -c "$1" {redirected}'
    return subprocess.run(
        ["sh", "-c", command, sys.executable, PROGRAM],
        cwd=here,
        env={**environment(), **variables},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("redirected", "said"),
    [
        (">/dev/full", "Standard output cannot be written (No space left on device)"),
        (">&-", ""),
        ("2>&- >&-", ""),
        ("2>/dev/full", ""),
    ],
)
def test_the_exit_code_is_the_commands(tmp_path, redirected, said):
    done = run(tmp_path, redirected)
    assert done.returncode == 1
    assert said in done.stderr
    assert "Internal" not in done.stderr
    assert (tmp_path / "written").read_text() == "whole"


def test_a_reader_that_goes_away_is_nobodys_fault(tmp_path):
    done = run(tmp_path, "| true; echo ${PIPESTATUS-}", PYTHONIOENCODING="ascii")
    assert done.stderr.replace("bars", "").strip() == ""
    assert (tmp_path / "written").read_text() == "whole"


def test_a_terminal_without_the_characters_gets_them_written_out(tmp_path):
    done = run(tmp_path, "", PYTHONIOENCODING="latin-1")
    assert done.returncode == 1
    assert done.stdout.startswith("\\u2016\\u0394W\\u2016 xxx")
