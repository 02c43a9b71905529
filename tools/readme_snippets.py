"""Print the README's Python snippets as one script, for a type checker.

    python tools/readme_snippets.py > snippets.py && pyright snippets.py

The snippets build on each other, so that they are checked in one file and in their order.
"""

import re
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"


def snippets(text):
    """Return the contents of the fenced blocks marked as Python."""
    return re.findall(r"^```python\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)


if __name__ == "__main__":
    print("\n".join(snippets(README.read_text(encoding="utf-8"))), end="")
