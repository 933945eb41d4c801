"""The documents: short where they are read first, and true where they name files."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")])
PACKAGES = "editor|detectors|dictionaries|policies|tests|examples"
PATH = re.compile(rf"(?<![\w.-])(?:{PACKAGES})(?:/[\w.-]*\w)+")
MODULE = re.compile(rf"(?<![\w./-])(?:{PACKAGES})(?:\.\w+)+")
FILE = re.compile(r"\.(?:md|csv|svg|png|json|jsonl|yaml|yml|html)$")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
by_name = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


EXAMPLE = re.compile(r"Write\s+`[^`]+`:|^```.*?^```", re.MULTILINE | re.DOTALL)
"""What a worked example makes, which is not there yet."""


def read(page):
    return page.read_text(encoding="utf-8")


def prose(page):
    return EXAMPLE.sub("", read(page))


def names_a_module(dotted):
    """Whether a name is a module's, or one that a module has."""
    parts = dotted.split(".")
    whole, holder = ROOT.joinpath(*parts), ROOT.joinpath(*parts[:-1])
    if whole.is_dir() or whole.with_suffix(".py").is_file():
        return True
    source = holder / "__init__.py" if holder.is_dir() else holder.with_suffix(".py")
    return source.is_file() and re.search(rf"\b{parts[-1]}\b", read(source)) is not None


def test_what_is_read_first_is_short():
    assert (ROOT / "ARCHITECTURE.md").stat().st_size <= 10 * 1024
    assert len(read(ROOT / "README.md").split()) <= 1000


def test_the_index_has_every_page_once():
    linked = [link for link in LINK.findall(read(ROOT / "docs" / "README.md")) if "/" not in link]
    assert sorted(linked) == sorted(
        page.name for page in (ROOT / "docs").glob("*.md") if page.name != "README.md"
    )


HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def anchors(page):
    """The names by which a page's headings are linked to."""
    headings = HEADING.findall(EXAMPLE.sub("", read(page)))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@by_name
def test_links_lead_somewhere(page):
    links = [link.partition("#") for link in LINK.findall(read(page)) if "://" not in link]
    assert [link for link, _, _ in links if not (page.parent / link).is_file() and link] == []
    nowhere = [
        f"{link}#{anchor}"
        for link, _, anchor in links
        if anchor and anchor not in anchors(page.parent / link if link else page)
    ]
    assert nowhere == []


def test_the_site_has_every_page_once():
    """`make docs` refuses links that lead nowhere; what is in no list of the site would be on none of its pages."""

    def pages(entry):
        if isinstance(entry, str):
            return [entry]
        return [
            page for part in (entry.values() if isinstance(entry, dict) else entry) for page in pages(part)
        ]

    listed = pages(yaml.safe_load(read(ROOT / "mkdocs.yml"))["nav"])
    notebooks = [path.with_suffix(".md") for path in ROOT.glob("examples/notebooks/*.ipynb")]
    assert sorted(listed) == sorted(str(path.relative_to(ROOT)) for path in [*PAGES, *notebooks])


@by_name
def test_paths_that_are_named_exist(page):
    named = set(PATH.findall(prose(page)))
    assert [path for path in named if not (ROOT / path).exists() and not (page.parent / path).exists()] == []


@by_name
def test_modules_that_are_named_exist(page):
    named = {name for name in MODULE.findall(prose(page)) if not FILE.search(name)}
    assert [name for name in named if not names_a_module(name)] == []


@pytest.mark.parametrize(
    ("name", "there"),
    [
        ("editor.cli", True),
        ("editor.questions.chance", True),
        ("editor.locators.LOCATORS", True),
        ("editor.locate.NO_SUCH", False),
        ("editor.rooms.chance", False),
    ],
)
def test_a_module_is_told_from_what_is_none(name, there):
    assert names_a_module(name) is there
