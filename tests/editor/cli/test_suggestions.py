"""A misspelt command or option is answered with the right one, at every level, and shells complete both."""

import click
import pytest

from editor.cli import main
from editor.cli.names import DTYPE_NAMES


def run(capsys, *arguments):
    with pytest.raises(SystemExit) as stopped:
        main([*arguments])
    captured = capsys.readouterr()
    return stopped.value.code, captured.out, captured.err


@pytest.mark.skipif(not hasattr(click, "NoSuchCommand"), reason="click suggests commands from 8.4 on")
@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (("aduit",), "audit"),
        (("reverse",), "revert"),
        (("verify-repot",), "verify-report"),
        (("dictionary", "trian"), "train"),
        (("dictionary", "evalute"), "evaluate"),
    ],
)
def test_commands(capsys, words, meant):
    code, _, err = run(capsys, *words)
    assert code == 2
    assert f"No such command '{words[-1]}'" in err
    assert f"'{meant}'" in err


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (("--hlep",), "--help"),
        (("audit", "model", "--corpsu", "c"), "--corpus"),
        (("doctor", "--jsn"), "--json"),
        (("dictionary", "train", "--architectur", "gated"), "--architecture"),
    ],
)
def test_options(capsys, words, meant):
    code, _, err = run(capsys, *words)
    assert code == 2
    assert "No such option" in err
    assert meant in err


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("expunge au", "audit"),
        ("expunge dictionary ev", "evaluate"),
        ("expunge audit --dt", "--dtype"),
        ("expunge audit --dtype b", "bfloat16"),
    ],
)
def test_a_shell_completes(capsys, monkeypatch, typed, offered):
    monkeypatch.setenv("_EXPUNGE_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", typed)
    monkeypatch.setenv("COMP_CWORD", str(len(typed.split()) - 1))
    code, out, _ = run(capsys)
    assert code == 0
    assert f"plain,{offered}" in out.splitlines()


def test_precisions_are_those_that_models_are_loaded_in():
    from editor.model.checks.dtypes import AUTO, NAMES

    assert set(DTYPE_NAMES) <= {AUTO, *NAMES}
