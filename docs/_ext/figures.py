"""Figures of benchmarks in pages, from `benchmarks/figures.json`, which alone holds them.

In a page, ``{{ table reconstruction }}`` stands for a whole table with its command, date and
commit, ``{{ cell reconstruction / mean held-out R² / skae }}`` for one cell, and
``{{ fact pvalues }}`` for a single figure. What the file does not hold is an error.
"""

import json
import re
from pathlib import Path

FILE = Path(__file__).parents[2] / "benchmarks" / "figures.json"
PLACE = re.compile(r"\{\{ (table|cell|facts|fact)\b ?(.*?) \}\}")


def read():
    return json.loads(FILE.read_text(encoding="utf-8"))


def rows_of(table):
    """Return a table as lines of Markdown, a list."""
    head = [table["corner"], *table["columns"]]
    rows = [head, ["---"] * len(head), *table["rows"]]
    return ["| " + " | ".join(row) + " |" for row in rows]


def whole_table(figures, name):
    """Return a table of the file with what it is of, in Markdown."""
    table = figures["tables"][name]
    source = f"`{table['command']}`, {table['date']}, commit {table['commit']}."
    return "\n".join([table["about"], "", *rows_of(table), "", source])


def cell(figures, place):
    """Return one cell by "table / row / column"."""
    name, row, column = place.split(" / ", 2)
    table = figures["tables"][name]
    rows = {cells[0].strip(): cells[1:] for cells in table["rows"]}
    return rows[row][table["columns"].index(column)]


def all_facts(figures):
    """Return the single figures as a table in Markdown."""
    head = {"corner": "what", "columns": ["figure", "command", "date, commit"]}
    rows = [
        [f["what"], f["value"], f"`{f['command']}`", f"{f['date']}, {f['commit']}"]
        for f in figures["facts"].values()
    ]
    return "\n".join(rows_of({**head, "rows": rows}))


def filled(text, page):
    """Return the text of a page with its figures."""
    figures = read()
    by_kind = {
        "table": whole_table,
        "cell": cell,
        "fact": lambda figures, name: figures["facts"][name]["value"],
        "facts": lambda figures, name: all_facts(figures),
    }

    def figure(match):
        kind, place = match.groups()
        try:
            return by_kind[kind](figures, place)
        except (KeyError, ValueError) as error:
            raise ValueError(
                f"{page}: {match[0]} is not in {FILE.name}; correct the page, or add the "
                "figure to the file."
            ) from error

    return PLACE.sub(figure, text)


def fill(app, page, source):
    source[0] = filled(source[0], page)


def setup(app):
    app.connect("source-read", fill)
    return {"parallel_read_safe": True}
