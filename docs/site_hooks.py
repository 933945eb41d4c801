"""What MkDocs is told about this repository: pages stay where they are, so that their links hold on the site too.

MkDocs wants all pages in one folder. Here the README, what stands beside it, and the pages of the examples are pages
too, each under the path that it has. Notebooks become pages of their text and code. The help of every command is put
into its page when the site is built.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
PAGES = ("*.md", "docs/**/*.md", "examples/**/*.md")
LINK = re.compile(r"\]\(([^)\s#]+)[^)]*\)")
HELP = "<!-- help of every command -->"


def on_files(files: Files, /, *, config: MkDocsConfig) -> Files:
    """Take the pages by their paths in the repository, and with them the files that they link to."""
    kept = Files([])
    for path in _sources():
        kept.append(_file(config, path))
        if path.suffix == ".ipynb":
            kept.append(_file(config, path.with_suffix(".md"), notebook_text(path)))
    for file in files:  # those of the theme
        if file.src_dir != config.docs_dir:
            kept.append(file)
    return kept


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Put the help of every command into its page."""
    return markdown.replace(HELP, "\n\n".join(_help_texts())) if HELP in markdown else markdown


def notebook_text(path: Path) -> str:
    """Return a notebook as Markdown: its text, and its code in blocks."""
    parts = []
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        source = "".join(cell["source"])
        parts.append(source if cell["cell_type"] == "markdown" else f"```python\n{source}\n```")
    return "\n\n".join(parts) + "\n"


def _sources() -> Iterator[Path]:
    """Yield the pages, the notebooks, and every file that a page links to, each once."""
    pages = sorted({path for pattern in PAGES for path in ROOT.glob(pattern)})
    notebooks = sorted(ROOT.glob("examples/notebooks/*.ipynb"))
    linked = {
        (page.parent / link).resolve()
        for page in pages
        for link in LINK.findall(page.read_text(encoding="utf-8"))
        if "://" not in link
    }
    files = sorted(path for path in linked if path.is_file() and path.is_relative_to(ROOT))
    return iter(dict.fromkeys([*pages, *notebooks, *files]))


def _file(config: MkDocsConfig, path: Path, content: str | None = None) -> File:
    uri = path.relative_to(ROOT).as_posix()
    if content is not None:
        return File.generated(config, uri, content=content)
    return File.generated(config, uri, abs_src_path=str(path))


def _help_texts() -> Iterator[str]:
    """Yield a heading and the help of each command, groups first."""
    import click

    from editor.cli import cli

    def walk(command: click.Command, names: tuple[str, ...]) -> Iterator[str]:
        context = click.Context(command, info_name=" ".join(names), max_content_width=100)
        yield f"## {' '.join(names)}\n\n```text\n{command.get_help(context)}\n```"
        if isinstance(command, click.Group):
            for name in command.list_commands(context):
                inner: Any = command.get_command(context, name)
                yield from walk(inner, (*names, name))

    return walk(cli, ("expunge",))
