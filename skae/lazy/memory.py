"""How much memory a fit may take for the rows of a table."""

import re

UNITS = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12}
UNITS |= {"kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40}
# Less holds no chunk.
LEAST = 10**7


def bytes_of(memory_limit):
    """Return a limit in bytes.

    Parameters
    ----------
    memory_limit : int or str
        Bytes, or a number and a unit, such as "500MB".

    Raises
    ------
    ValueError
        If it is neither, or too little for any chunk.
    """
    size = memory_limit
    if isinstance(memory_limit, str):
        parts = re.fullmatch(r"\s*([0-9.]+)\s*([a-zA-Z]*)\s*", memory_limit)
        unit = UNITS.get(parts[2].lower()) if parts else None
        if unit is None or parts[1].count(".") > 1 or parts[1] == ".":
            raise ValueError(
                f"memory_limit={memory_limit!r}; give bytes, or a number and one of the "
                "units kB, MB, GB, KiB, MiB and GiB, such as '500MB'."
            )
        size = float(parts[1]) * unit
    if size < LEAST:
        raise ValueError(
            f"memory_limit={memory_limit!r} is too little; give '10MB' or more."
        )
    return int(size)
