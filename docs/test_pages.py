"""Every session of the pages runs, and gives the output that the page shows."""

import pages
import pytest

NAMES = [path.relative_to(pages.DOCS.parent).as_posix() for path in pages.paths()]


@pytest.mark.parametrize("name", NAMES)
def test_sessions_give_the_output_shown(name):
    failures = pages.run(pages.DOCS.parent / name)
    assert not failures, failures
