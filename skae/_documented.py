"""Docstrings of estimators, with what their classes inherit."""

import inspect
import json
import re
from dataclasses import MISSING, fields
from typing import TypeVar

Estimator = TypeVar("Estimator", bound=type)

_SECTION = re.compile(r"^(\w[\w ]*)\n-{3,}\n", re.MULTILINE)
_ENTRY = re.compile(r"^(?=\S)", re.MULTILINE)
_DEFAULT = re.compile(r"default=\S+$", re.MULTILINE)


def documented(cls: Estimator) -> Estimator:
    """Put the parameters and attributes that `cls` inherits into its docstring.

    What the class documents itself comes first and wins over the text of a base; an
    inherited default is replaced by the one that the class has.
    """
    if cls.__doc__ is None:  # python -OO
        return cls
    texts = _split(cls.__doc__)
    defaults = {spec.name: spec.default for spec in fields(cls)}
    for name in ("Parameters", "Attributes"):
        entries = dict(_entries(texts.get(name, "")))
        for base in cls.__mro__[1:]:
            inherited = _entries(_split(base.__doc__ or "").get(name, ""))
            known = {item for names in entries for item in names}
            for names, text in inherited:
                if known.isdisjoint(names):
                    entries[names] = _with_default(text, defaults.get(names[0], MISSING))
        texts[name] = "".join(entries.values())
    order = dict.fromkeys(["", "Parameters", "Attributes", *texts])
    cls.__doc__ = "".join(
        texts[name]
        if not name
        else f"{name}\n{'-' * len(name)}\n{texts[name].rstrip()}\n\n"
        for name in order
    )
    return cls


def _split(doc):
    """Return the sections of a numpydoc docstring; the first, without a title, is ""."""
    head, *rest = _SECTION.split(inspect.cleandoc(doc))
    return {"": head} | dict(zip(rest[::2], rest[1::2], strict=True))


def _entries(section):
    """Yield the names that an entry of a section documents, and its text."""
    for text in _ENTRY.split(section):
        if text:
            names = text.split("\n", 1)[0].split(" : ")[0].split(", ")
            text = re.sub(r", +default=", ", default=", text.rstrip())  # a continued line
            yield tuple(name.strip() for name in names), text + "\n"


def _with_default(text, default):
    if default is MISSING:
        return text
    head, newline, body = text.partition("\n    ")
    if not head.endswith("default=" + _as_text(default)):
        head = _DEFAULT.sub("default=" + _as_text(default), head)
    return head + newline + body


def _as_text(default):
    return json.dumps(default) if isinstance(default, str) else repr(default)
