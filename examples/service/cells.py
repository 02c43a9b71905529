"""Rows of JSON as checked cells: what is no row of the table is refused, and why is said.

Needs nothing but Python, so that both loaders share it.
"""

import json
import math
import re
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property

MAX_ROWS = 1000
# Of one reply: the first ones tell what is wrong.
MAX_PROBLEMS = 20
EPOCH = datetime(1970, 1, 1)
# Of the units of dates and durations.
NANOSECONDS = {"D": 86_400 * 10**9, "s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
# Both ends, as numpy's NaT is one of them.
MAX_TICKS = 2**63 - 1


class BadRows(ValueError):
    """Rows that cannot be scored; `problems` is a list of dict."""

    def __init__(self, problems):
        super().__init__("; ".join(problem["message"] for problem in problems))
        self.problems = problems


@dataclass(frozen=True)
class Column:
    """A field of a row.

    Attributes
    ----------
    name : str
    kind : str
        "number", "whole number", "date", "duration", "boolean", "text" (categories), "code"
        (categories that are numbers) or "ignored" (wholly missing in fit).
    levels : tuple or None
        Those of the fit, of "boolean", "text" and "code".
    unit : str or None
        Of dates and durations.
    zone : str or None
        Of dates; None: without a zone.
    """

    name: str
    kind: str
    levels: tuple | None = None
    unit: str | None = None
    zone: str | None = None

    @property
    def wanted(self):
        """What a cell is to be, in words."""
        words = {
            "number": "a finite number",
            "whole number": "a whole number of 64 bits",
            "date": "a date as ISO 8601, such as "
            + ('"2026-03-31T10:00:00"' if self.zone is None else '"2026-03-31T10:00:00Z"')
            + (
                ", without an offset" if self.zone is None else ", with its offset from UTC"
            ),
            "duration": "a duration in seconds, a finite number",
            "boolean": "true or false",
            "text": "text",
            "code": "a finite number, one of the levels",
            "ignored": "anything: the column was empty in fit and is not looked at",
        }
        return words[self.kind] + ", or null where it is missing"

    def describe(self):
        """Return what `GET /model` says of the column."""
        said = {"name": self.name, "kind": self.kind, "wanted": self.wanted}
        for key in ("levels", "unit", "zone"):
            if getattr(self, key) is not None:
                said[key] = getattr(self, key)
        return said

    def is_unknown(self, cell):
        """Return whether a checked cell is a level that was not there in fit."""
        return self.levels is not None and cell is not None and cell not in self._known

    @cached_property
    def _known(self):
        return frozenset(self.levels or ())


def parse(body, columns, max_rows=MAX_ROWS):
    """Return checked rows of JSON, and whether it was one row alone.

    Parameters
    ----------
    body : bytes
        One object, or a list of objects.
    columns : list of Column
    max_rows : int

    Returns
    -------
    rows : list of list
        The cells in the order of `columns`, None where missing: dates and durations as whole
        numbers in the unit of their column (dates since 1970 in UTC).
    is_single : bool

    Raises
    ------
    BadRows
        With all that is wrong.
    """
    found = _json(body)
    is_single = isinstance(found, _Row)
    if not is_single and not isinstance(found, list):
        _refuse("The body is no row", found, "an object, or a list of objects")
    rows = [found] if is_single else found
    if not rows:
        _refuse("The list holds no row", rows, "one row or more")
    if len(rows) > max_rows:
        message = f"{len(rows)} rows are too many; send at most {max_rows} at a time."
        raise BadRows(
            [{"row": None, "field": None, "value": len(rows), "message": message}]
        )
    problems: list = []
    checked = []
    for place, row in enumerate(rows):
        checked.append(_row(row, place, columns, problems))
        if len(problems) >= MAX_PROBLEMS:
            break
    if problems:
        raise BadRows(problems[:MAX_PROBLEMS])
    return checked, is_single


class _Row:
    """An object of JSON; a field that stands in it twice is not lost."""

    def __init__(self, pairs):
        self.cells = dict(pairs)
        self.twice = []
        if len(pairs) > len(self.cells):
            counts = Counter(name for name, _ in pairs)
            self.twice = [name for name, count in counts.items() if count > 1]


def _json(body):
    try:
        return json.loads(body.decode("utf-8-sig"), object_pairs_hook=_Row)
    except RecursionError:
        message = "The body is nested too deeply; send an object, or a list of objects."
    except UnicodeDecodeError as error:
        message = f"The body is no UTF-8 ({error.reason} at byte {error.start})."
    except ValueError as error:
        message = f"The body is no JSON: {error}."
    raise BadRows([{"row": None, "field": None, "value": None, "message": message}])


def _refuse(what, value, wanted):
    message = f"{what}, but {shown(value)}; send {wanted}."
    raise BadRows(
        [
            {
                "row": None,
                "field": None,
                "value": shown(value),
                "wanted": wanted,
                "message": message,
            }
        ]
    )


def shown(value):
    """Return a value of JSON in short, whatever it is."""
    if isinstance(value, _Row):
        return "an object"
    if isinstance(value, list):
        return "a list"
    try:
        text = json.dumps(value, ensure_ascii=False)
    except ValueError:  # a whole number of more digits than Python writes
        return "a number too long to show"
    text = text.encode(errors="backslashreplace").decode()  # half of a character, too
    return text if len(text) <= 60 else f"{text[:57]}..."


def named(field):
    """Return the name of a field, which a client chose, in short."""
    return shown(field).strip('"')


def _row(row, place, columns, problems):
    """Return the cells of a row; what is wrong is added to `problems`."""

    def add(field, value, wanted, message):
        problems.append(
            {
                "row": place,
                "field": field,
                "value": value,
                "wanted": wanted,
                "message": message,
            }
        )

    if not isinstance(row, _Row):
        add(None, shown(row), "an object", f"Row {place} is {shown(row)}; send an object.")
        return None
    names = {column.name for column in columns}
    for name in row.twice[:MAX_PROBLEMS]:
        field = named(name)
        add(field, None, "once", f"Row {place}, field {field!r}: it stands there twice.")
    extra = [name for name in row.cells if name not in names]
    for name in extra[:MAX_PROBLEMS]:
        field = named(name)
        listed = ", ".join(named(n) for n in sorted(names)[:20])
        add(
            field,
            shown(row.cells[name]),
            None,
            f"Row {place}, field {field!r}: there is no such column; leave it out. The "
            f"columns are: {listed}.",
        )
    cells = []
    for column in columns:
        if column.name not in row.cells:
            add(
                column.name,
                None,
                column.wanted,
                f"Row {place}, field {column.name!r}: it is not there; send {column.wanted}.",
            )
            continue
        value = row.cells[column.name]
        try:
            cells.append(None if value is None else READ[column.kind](value, column))
        except (ValueError, TypeError, OverflowError) as error:
            why = f" ({error})" if str(error) else ""
            add(
                column.name,
                shown(value),
                column.wanted,
                f"Row {place}, field {column.name!r}: {shown(value)}{why}; send "
                f"{column.wanted}.",
            )
    return cells


# -------------------------------------------------------------------------- cells, by kind


def _is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _number(value, column):
    if not _is_number(value):
        raise TypeError("no number")
    try:
        value = float(value)
    except OverflowError:
        value = math.inf
    if not math.isfinite(value):
        raise ValueError("not finite as a number of 64 bits")
    return value


def _whole(value, column):
    if not _is_number(value):
        raise TypeError("no number")
    if isinstance(value, float):
        if not value.is_integer():  # of infinity and NaN as well
            raise ValueError("not whole")
        value = int(value)
    return _in_range(value)


def _in_range(ticks):
    if not -MAX_TICKS <= ticks <= MAX_TICKS:
        raise ValueError("out of range")
    return ticks


def _date(value, column):
    if not isinstance(value, str):
        raise TypeError("no text")
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise ValueError("no date") from None
    if column.zone is None and moment.tzinfo is not None:
        raise ValueError("with an offset, but the column has no time zone")
    if column.zone is not None:
        if moment.tzinfo is None:
            raise ValueError("without an offset")
        moment = moment.astimezone(UTC).replace(tzinfo=None)
    ticks = (moment - EPOCH) // timedelta(microseconds=1) * 1000
    finer = re.search(r"[.,]\d{6}(\d{1,3})", value)  # than Python's dates are
    if finer:
        ticks += int(finer[1].ljust(3, "0"))
    return _in_range(ticks // NANOSECONDS[column.unit])


def _duration(value, column):
    if isinstance(value, int) and not isinstance(value, bool):
        return _in_range(value * 10**9 // NANOSECONDS[column.unit])
    return _in_range(round(_number(value, column) * (10**9 / NANOSECONDS[column.unit])))


def _boolean(value, column):
    if not isinstance(value, bool):
        raise TypeError("neither true nor false")
    return value


def _text(value, column):
    if not isinstance(value, str):
        raise TypeError("no text")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError("half of a character") from None
    return value


def _ignored(value, column):
    return None


READ = {
    "number": _number,
    "whole number": _whole,
    "date": _date,
    "duration": _duration,
    "boolean": _boolean,
    "text": _text,
    "code": _number,
    "ignored": _ignored,
}
