"""The figures that pages quote are written by the scripts that measure them."""

import json
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
# Chosen by eye from the tables of several runs, or told in words.
BY_HAND = {
    *("ablation", "elsewhere", "family", "generation", "imputation", "relations"),
    *("convolutional_time", "imputation_time"),
}


@pytest.fixture
def figures(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    import _figures

    yield _figures
    _figures._facts.clear()
    _figures._cells.clear()
    sys.modules.pop("_figures")


@pytest.fixture
def file(figures, tmp_path):
    path = tmp_path / "figures.json"
    path.write_bytes(figures.FILE.read_bytes())
    return path


ASKED = SimpleNamespace(figures=True)
SCORING = "python benchmarks/scoring.py --threads 1"


def test_writing_changes_nothing_but_what_was_measured(figures, file):
    before = file.read_text(encoding="utf-8")
    figures.write(ASKED, file, SCORING)
    assert file.read_text(encoding="utf-8") == before
    figures.fact("row_of_array", "17 ms")
    figures.write(ASKED, file, SCORING)
    old, new = before.splitlines(), file.read_text(encoding="utf-8").splitlines()
    (changed,) = [line for i, line in enumerate(new) if line != old[i]]
    assert '"row_of_array": {"value": "17 ms", "what": "one row of an array' in changed


def test_cells_are_written_with_date_and_commit_of_the_table(figures, file):
    command = "python benchmarks/engine.py --threads 1"
    figures.cell("training", "2,000 rows, 20 columns", "skae", "0.5")
    figures.write(ASKED, file, command)
    table = json.loads(file.read_text(encoding="utf-8"))["tables"]["training"]
    assert table["rows"][1][:3] == ["2,000 rows, 20 columns", "1", "0.5"]
    assert table["commit"] == figures._commit()


@pytest.mark.parametrize(
    "command", [f"{SCORING} --rows 10", "python benchmarks/scoring.py"]
)
def test_a_run_of_less_is_not_written(figures, file, command):
    before = file.read_bytes()
    figures.fact("row_of_array", "17 ms")
    with pytest.raises(SystemExit, match="row_of_array is of 'python benchmarks/scoring"):
        figures.write(ASKED, file, command)
    assert file.read_bytes() == before


def test_nothing_is_written_unasked(figures, file):
    before = file.read_bytes()
    figures.fact("row_of_array", "17 ms")
    figures.write(SimpleNamespace(figures=False), file, SCORING)
    assert file.read_bytes() == before


def test_commands_name_no_folder(figures, tmp_path):
    words = ["benchmarks/anomaly.py", "--data", str(tmp_path), str(tmp_path), "--figures"]
    told = figures.command_of([*words, "--seeds", "3"])
    assert told == "python benchmarks/anomaly.py --data FOLDER FOLDER --seeds 3"
    reordered = "python benchmarks/anomaly.py --seeds 3 --data FOLDER FOLDER"
    assert figures.options_of(told) == figures.options_of(reordered)


def test_every_figure_is_written_by_its_script(figures):
    known = figures.json.loads(figures.FILE.read_text(encoding="utf-8"))
    sources = {**known["tables"], **known["facts"]}
    missing = set()
    for name, source in sources.items():
        script = BENCHMARKS.parent / source["command"].split()[1]
        text = script.read_text(encoding="utf-8")
        # Of both protocols by one line: f"gain_{protocol}".
        of_protocol = re.sub(r"_(contaminated|clean)$", "_{protocol}", name)
        places = f'"{name}"', f'"{of_protocol}"'
        if not (any(place in text for place in places) and "_figures.write(" in text):
            missing.add(name)
    assert missing == BY_HAND
