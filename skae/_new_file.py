"""Files that appear under their names when they are complete."""

import os
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4


def check_place(path):
    """Return the path; raise if no file can be there."""
    path = Path(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(
            f"{str(path)!r}: there is no directory {str(path.parent)!r}; make it first."
        )
    if path.is_dir():
        raise IsADirectoryError(f"{str(path)!r} is a directory; name a file in it.")
    return path


@contextmanager
def new_file(path):
    """Yield a path beside `path`; what is written there takes its place if nothing fails.

    Parameters
    ----------
    path : str or path

    Raises
    ------
    FileNotFoundError
        If its directory is not there.
    IsADirectoryError
        If it is a directory itself.
    """
    path = check_place(path)
    beside = path.with_name(f".{path.name}.{uuid4().hex}")
    try:
        yield beside
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)
