"""Ticks of dates that say which ones they are; of matplotlib, which `_panels` imports late.

matplotlib writes what ticks share, as their month and year, beside the axis, where titles and
labels of small panels are. Here it stands in the first of their labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import matplotlib as mpl
from matplotlib.dates import AutoDateLocator, num2date
from matplotlib.ticker import Formatter

# By the finest field in which ticks are not all at its start: what to write, finest first.
FIELDS = {
    "year": ("%Y",),
    "month": ("%b", "%Y"),
    "day": ("%d", "%b", "%Y"),
    "minute": ("%H:%M", "%b-%d", "%Y"),
    "second": (":%S", "%H:%M", "%b-%d", "%Y"),
    "microsecond": (":%S.%f", "%H:%M", "%b-%d", "%Y"),
}
# Ticks of an axis, at most; of one that has no room for as many labels of that width (as a
# multiple of the size of text) side by side.
MOST, FEWER, WIDTH = 4, 3, 6.5


class DateLocator(AutoDateLocator):
    """Two to four ticks, of which as many lie side by side as have room."""

    axis: Any

    def __init__(self) -> None:
        super().__init__(minticks=2, maxticks=MOST)

    def tick_values(self, vmin: float, vmax: float) -> Sequence[float]:
        self.maxticks = dict.fromkeys(self.maxticks, _most_ticks(self.axis))
        return super().tick_values(vmin, vmax)


def _most_ticks(axis: Any) -> int:
    if axis is None or axis.axis_name != "x":
        return MOST
    points = 72 * axis.axes.get_window_extent().width / axis.axes.figure.figure.dpi
    return MOST if points >= MOST * WIDTH * mpl.rcParams["font.size"] else FEWER


class DateFormatter(Formatter):
    """Labels that say what is new since the tick before, and the first of them all.

    Below an axis the fields stand below each other, beside one they are a date.
    """

    axis: Any

    def __call__(self, x: float, pos: int | None = None) -> str:
        return num2date(x).strftime("%Y-%b-%d %H:%M:%S")

    def format_ticks(self, values: Sequence[float]) -> list[str]:
        low, high = sorted(self.axis.get_view_interval())
        dates = [num2date(value) for value in values]
        # Ticks that are not drawn would take what the first one has to say.
        shown = [i for i, value in enumerate(values) if low <= value <= high]
        fields = FIELDS[_finest([dates[i] for i in shown])]
        labels, before = [""] * len(dates), [""] * len(fields)
        for i in shown:
            texts = [_written(dates[i], field) for field in fields]
            # The finest field, and all up to the coarsest that has changed.
            n = max(k for k in range(len(fields)) if k == 0 or texts[k] != before[k])
            labels[i] = self._joined(texts[: n + 1])
            before = texts
        return labels

    def _joined(self, texts: list[str]) -> str:
        if self.axis.axis_name == "x":
            return "\n".join(texts)
        day = "-".join(text for text in texts[::-1] if ":" not in text)
        time = "".join(text for text in texts[::-1] if ":" in text)
        return f"{day} {time}".strip()


def _finest(dates: list[datetime]) -> str:
    """Return the finest field that is not at its start in all dates, a key of `FIELDS`."""
    starts = {
        "microsecond": lambda date: date.microsecond,
        "second": lambda date: date.second,
        "minute": lambda date: date.hour or date.minute,
        "day": lambda date: date.day - 1,
        "month": lambda date: date.month - 1,
    }
    for name, after_start in starts.items():
        if any(map(after_start, dates)):
            return name
    return "year"


def _written(date: datetime, field: str) -> str:
    text = date.strftime(field)
    return text.rstrip("0").rstrip(".") if field.endswith("%f") else text
