"""Columns that no kind of column can be made of: errors that name a way out."""

from skae.table.remedies import conversion

MUST_HOLD = (
    "A column must hold numbers, booleans, text or categories, dates or durations, and only "
    "one of these"
)


def refuse(source, what=None, kind=None):
    """Raise the error for a dtype that has no kind.

    Parameters
    ----------
    source : Source
    what : str, default=None
        What the column holds; None: the dtype says it.
    kind : str, default=None
        What it can be converted to, see `conversion`.
    """
    holds = what or f"cells of type {source.dtype}"
    is_pandas = source.implementation.is_pandas()
    remedy = conversion(source, source.name, kind or ("category" if is_pandas else "drop"))
    raise ValueError(
        f"Column {source.name!r} (dtype {source.dtype}) holds {holds}. "
        f"{MUST_HOLD}; convert it or leave it out first, for example with {remedy}."
    )


def refuse_objects(source, cells, types):
    """Raise the error for cells of types that have no kind, or of several kinds."""
    found = " and ".join(sorted(kind.__name__ for kind in types))
    refuse(source, f"cells of type {found}")
