"""Help answers at once: no command imports anything heavy to show it, and the names it shows are those there are."""

import subprocess
import sys

import pytest
from every_command import every_command

from dictionaries import ARCHITECTURES
from dictionaries.formats import writable
from editor.cli.names import ARCHITECTURE_NAMES, FORMAT_NAMES

HEAVY = ("torch", "transformers", "presidio_analyzer", "spacy", "sklearn", "matplotlib", "numpy")
SHOW = f"""
import sys
from editor.cli import main
try:
    main([*sys.argv[1:], "--help"])
except SystemExit as stopped:
    assert not stopped.code, stopped.code
heavy = [name for name in {HEAVY} if name in sys.modules]
assert not heavy, heavy
"""


@pytest.mark.parametrize(
    "command", [words for words, _ in every_command()], ids=lambda words: " ".join(("expunge", *words))
)
def test_help_imports_nothing_heavy(command):
    shown = [sys.executable, "-c", SHOW, *command]
    done = subprocess.run(shown, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Usage: expunge" in done.stdout


def test_the_names_that_help_shows_are_those_of_the_tables():
    assert tuple(ARCHITECTURES) == ARCHITECTURE_NAMES
    assert tuple(writable()) == FORMAT_NAMES
