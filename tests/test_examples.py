"""The gallery stays whole: no script without a place, no picture that nothing shows."""

import re
from pathlib import Path

import gallery
import pytest

ROOT = Path(__file__).parents[1]

SCRIPTS = sorted((ROOT / "examples").glob("*.py"))
PICTURES = sorted((ROOT / "examples" / "pictures").glob("*.png"))
PAGES = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
SHOWN = "\n".join(path.read_text(encoding="utf-8") for path in PAGES)


def test_every_script_has_one_place_in_the_gallery():
    assert sorted(gallery.placed()) == [path.stem for path in SCRIPTS]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_script_is_titled_for_the_gallery(script):
    source = gallery.titled(script.read_text(encoding="utf-8"), script.stem)
    compile(source, script.name, "exec")
    title, line = source.removeprefix('"""').splitlines()[:2]
    assert len(line) >= len(title) > 10
    assert set(line) == {"="}


@pytest.mark.parametrize("picture", PICTURES, ids=lambda path: path.stem)
def test_picture_is_shown_small_and_has_a_script(picture):
    assert re.search(rf"examples/pictures/{picture.name}\b", SHOWN)
    assert picture.stat().st_size < 150_000
    scripts = [*SCRIPTS, *(ROOT / "benchmarks").glob("*.py")]
    assert any(picture.name in path.read_text(encoding="utf-8") for path in scripts)


def test_pages_name_no_example_that_is_missing():
    named = set(re.findall(r"examples/[\w/]+\.(?:py|png)", SHOWN))
    assert named
    assert not {name for name in named if not (ROOT / name).exists()}
