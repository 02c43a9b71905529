"""Columns that no kind of column can be made of: errors that name a way out."""

from skae.table.remedies import conversion, conversion_of_dtype
from skae.table.remedy_forms import ARROW_PLACE, PANDAS

MUST_HOLD = (
    "A column must hold numbers, booleans, text or categories, dates or durations, and only "
    "one of these"
)
# By library and by how the name of the dtype, or of the cells' type, begins.
REMEDIES = {
    "pandas": {
        "interval": "X[{name!r}].array.mid",
        # Of these pandas cannot even show the cells.
        **{
            start: PANDAS["drop"]
            for start in ("binary_view", "list_view", "large_list_view", "month_day_nano")
        },
        "complex": "X[{name!r}].abs()",
        "bytes": "X[{name!r}].str.decode('utf-8')",
        "time": "pd.to_timedelta(X[{name!r}].astype(str))",
    },
    "polars": {
        "Struct": "X.unnest({name!r})",
        "Array": "X.with_columns(pl.col({name!r}).arr.to_struct()).unnest({name!r})",
        "Binary": "X.with_columns(pl.col({name!r}).cast(pl.String))",
        "Time": "X.with_columns(pl.col({name!r}).cast(pl.Duration))",
    },
    "pyarrow": {
        "struct": "X.flatten()",
        "time32": ARROW_PLACE.format(
            made="X[{name!r}].cast(pa.int32()).cast(pa.int64()).cast(pa.duration({unit!r}))"
        ),
        "time64": ARROW_PLACE.format(
            made="X[{name!r}].cast(pa.int64()).cast(pa.duration({unit!r}))"
        ),
        **{
            kind: ARROW_PLACE.format(made="X[{name!r}].cast(pa.string())")
            for kind in ("binary", "large_binary", "fixed_size_binary")
        },
    },
}


def refuse(source, what=None, kind=None):
    """Raise the error for a dtype that has no kind.

    Parameters
    ----------
    source : Source
    what : str, default=None
        What the cells are; None: the dtype says it.
    kind : str, default=None
        What the column can be converted to, see `conversion`.
    """
    library = str(source.implementation)
    found = str(source.dtype) if what is None else what
    forms = {} if " and " in found else REMEDIES.get(library, {})
    form = next((forms[start] for start in forms if found.startswith(start)), None)
    own = conversion_of_dtype(source, kind)
    if own is not None:
        remedy = own
    elif form is not None:
        unit = getattr(source.dtype, "unit", None)
        remedy = form.format(name=source.name, unit=unit)
    else:
        kind = kind or ("category" if library == "pandas" else "drop")
        remedy = conversion(source, source.name, kind)
    raise ValueError(
        f"Column {source.name!r} (dtype {source.dtype}) holds cells of type {found}. "
        f"{MUST_HOLD}; convert it or leave it out first, for example with {remedy}."
    )


def refuse_objects(source, types):
    """Raise the error for cells of types that have no kind, or of several kinds."""
    refuse(source, " and ".join(sorted(kind.__name__ for kind in types)))
