"""The gallery stays whole: no script or picture that nothing mentions, none that is missing."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SCRIPTS = sorted((ROOT / "examples").glob("*.py"))
PICTURES = sorted((ROOT / "examples" / "pictures").glob("*.png"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_script_stands_in_the_readme(script):
    source = script.read_text(encoding="utf-8")
    compile(source, script.name, "exec")
    assert f"examples/{script.name}" in README
    assert source.startswith('"""')


@pytest.mark.parametrize("picture", PICTURES, ids=lambda path: path.stem)
def test_picture_is_shown_small_and_has_a_script(picture):
    assert f"](examples/pictures/{picture.name})" in README
    assert picture.stat().st_size < 150_000
    scripts = [*SCRIPTS, *(ROOT / "benchmarks").glob("*.py")]
    assert any(picture.name in path.read_text(encoding="utf-8") for path in scripts)


def test_readme_names_nothing_that_is_missing():
    named = re.findall(r"examples/[\w/]+\.(?:py|png)", README)
    assert named
    for name in named:
        assert (ROOT / name).exists(), name
