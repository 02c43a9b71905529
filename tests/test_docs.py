"""README, pages and code are in step: figures, links, and the list of public objects."""

import importlib
import re
from pathlib import Path

import figures
import pytest

ROOT = Path(__file__).parents[1]

README = ROOT / "README.md"
BUILT = {"_build", "_examples", "gallery", "generated"}
PAGES = sorted(
    path for path in (ROOT / "docs").rglob("*.md") if not BUILT & set(path.parts)
)
DOCUMENTS = [README, ROOT / "CONTRIBUTING.md", *PAGES]
REFERENCE = (ROOT / "docs" / "reference" / "index.rst").read_text(encoding="utf-8")
MODULES = [
    "skae",
    *(
        f"skae.{name}"
        for name in (
            "architectures",
            "corruption",
            "display",
            "divergences",
            "export",
            "lazy",
            "likelihoods",
            "metrics",
            "mlflow",
            "penalties",
        )
    ),
]
# Names that rooms of the package share among themselves.
INTERNAL = {"ACTIVATIONS", "choose_network", "__version__"}


def _id(path):
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("name", MODULES)
def test_every_public_object_is_in_the_reference(name):
    public = set(importlib.import_module(name).__all__) - INTERNAL
    listed = set(re.findall(r"^   (?:\w+\.)*(\w+)$", REFERENCE, flags=re.MULTILINE))
    assert public <= listed


@pytest.mark.parametrize("page", PAGES, ids=_id)
def test_figures_of_a_page_are_in_the_file(page):
    text = figures.filled(page.read_text(encoding="utf-8"), page.name)
    assert "{{ " not in text


def test_unknown_figures_are_told_with_the_page():
    with pytest.raises(ValueError, match=r"start: .*no_such.* is not in figures\.json"):
        figures.filled("{{ fact no_such }}", "start")


def test_tables_of_the_readme_are_those_of_the_file():
    known = {
        line
        for table in figures.read()["tables"].values()
        for line in figures.rows_of(table)
    }
    shown = [
        line for line in README.read_text(encoding="utf-8").splitlines() if line[:1] == "|"
    ]
    assert len(shown) > 8
    assert set(shown) <= known


def test_readme_is_a_landing_page():
    assert len(README.read_text(encoding="utf-8").splitlines()) <= 100


@pytest.mark.parametrize("document", DOCUMENTS, ids=_id)
def test_relative_links_lead_somewhere(document):
    text = re.sub(r"```.*?```", "", document.read_text(encoding="utf-8"), flags=re.DOTALL)
    targets = re.findall(r"\]\(([^)#:\s]+)(?:#[\w-]*)?\)", text)
    missing = {
        target
        for target in targets
        if not (document.parent / target).exists() and "gallery/" not in target
    }
    assert not missing
