"""Every session of the pages runs, and gives the output that the page shows."""

import contextlib
import io
import re

import pages
import pytest

README = pages.DOCS.parent / "README.md"
NAMES = [path.relative_to(pages.DOCS.parent).as_posix() for path in pages.paths()]


@pytest.mark.parametrize("name", NAMES)
def test_sessions_give_the_output_shown(name):
    failures = pages.run(pages.DOCS.parent / name)
    assert not failures, failures


def test_ten_lines_of_the_readme_give_the_figures_below_them():
    text = README.read_text(encoding="utf-8")
    (snippet,) = re.findall(r"^```python\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)
    output, names = io.StringIO(), {}
    with contextlib.redirect_stdout(output):
        exec(snippet, names)
    printed = re.findall(r"0\.\d\d?", output.getvalue())
    told = re.search(r"PCA reconstructs (\d+)%.*?autoencoder (\d+)%", text, flags=re.DOTALL)
    for figure, percent in zip(printed, told.groups(), strict=True):
        assert abs(float(figure) - int(percent) / 100) < 0.015
    assert 0 < len(names["odd"]) < 60
