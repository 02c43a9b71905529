"""Files that appear under their names when they are complete."""

import os
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4


@contextmanager
def new_file(path):
    """Yield a path beside `path`; what is written there takes its place if nothing fails.

    Parameters
    ----------
    path : str or path
    """
    path = Path(path)
    beside = path.with_name(f".{path.name}.{uuid4().hex}")
    try:
        yield beside
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)
