"""Figures that README and pages quote: a run with `--figures` writes them to `figures.json`.

A script names what it has measured as it goes, by `fact` and `cell`, and ends with `write`.
A figure is written only by a run of the command that the file tells of it, so that no quick
run of a few tables takes the place of a whole one.
"""

import datetime
import json
import subprocess
import sys
from pathlib import Path

FILE = Path(__file__).with_name("figures.json")
OPTION = "--figures"

_facts: dict = {}
_cells: dict = {}


def add_argument(parser):
    parser.add_argument(
        OPTION,
        action="store_true",
        help=f"write the figures that pages quote to {FILE.name}",
    )


def fact(name, value):
    """Note a single figure, as the pages show it."""
    _facts[name] = value


def cell(table, row, column, value):
    """Note one cell of a table, as the pages show it."""
    _cells[table, row, column] = value


def command_of(arguments):
    """Return a command line as the file tells it: folders have no names."""
    script, *others = arguments
    shown = ["FOLDER" if Path(word).is_dir() else word for word in others if word != OPTION]
    return " ".join(["python", f"benchmarks/{Path(script).name}", *shown])


def options_of(command):
    """Return the options of a command as a set: their order says nothing."""
    first, *others = command.split(" --")
    return {first.strip(), *(option.strip() for option in others)}


def write(arguments, file=FILE, command=None):
    """Write what was noted, if `--figures` is among the arguments; print what has changed."""
    if not arguments.figures:
        return
    command = command or command_of(sys.argv)
    known = json.loads(file.read_text(encoding="utf-8"))
    source = {
        "command": command,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "commit": _commit(),
    }
    for name, value in _facts.items():
        _replace(known["facts"][name], "value", value, name, source)
    for (name, row, column), value in _cells.items():
        table = known["tables"][name]
        (cells,) = [cells for cells in table["rows"] if cells[0] == row]
        place = 1 + table["columns"].index(column)
        _replace(cells, place, value, f"{name} / {row} / {column}", source, table)
    file.write_text(dumps(known), encoding="utf-8")


def _replace(held, place, value, name, source, owner=None):
    owner = held if owner is None else owner
    if options_of(owner["command"]) != options_of(source["command"]):
        raise SystemExit(
            f"{OPTION}: {name} is of {owner['command']!r}, not of {source['command']!r}; "
            f"nothing was written. Run that command, or change it in {FILE.name} first."
        )
    if held[place] != value:
        print(f"{name}: {held[place]} -> {value}", flush=True)
    held[place] = value
    owner.update(source)


def _commit():
    command = ["git", "describe", "--always", "--dirty=+", "--abbrev=8", "--exclude=*"]
    found = subprocess.run(
        command, cwd=FILE.parent, capture_output=True, check=False, text=True
    )
    # A copy without history has none.
    return found.stdout.strip() or "unknown"


def dumps(figures):
    """Return the text of the file: a row of a table, and a fact, on a line of its own."""
    tables = ",\n".join(
        f"  {_text(name)}: {{\n{_table(table)}\n  }}"
        for name, table in figures["tables"].items()
    )
    facts = ",\n".join(f"  {_text(k)}: {_text(v)}" for k, v in figures["facts"].items())
    return (
        f'{{\n "machine": {_text(figures["machine"])},\n "tables": {{\n{tables}\n }},\n'
        f' "facts": {{\n{facts}\n }}\n}}\n'
    )


def _table(table):
    rows = ",\n".join(f"    {_text(row)}" for row in table["rows"])
    lines = [f"   {_text(k)}: {_text(v)}" for k, v in table.items() if k != "rows"]
    return ",\n".join([*lines, f'   "rows": [\n{rows}\n   ]'])


def _text(value):
    return json.dumps(value, ensure_ascii=False)
