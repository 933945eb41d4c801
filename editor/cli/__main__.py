"""`python -m editor.cli` is `expunge`."""

from editor.cli import main

main()
