"""Prints what pip is to install of the dependencies in pyproject.toml, and for the tests.

python .ci/bounds.py oldest    the lower bounds, as name==version
python .ci/bounds.py newest    the names

torch's is left out, because pip takes its largest build, of several GB; `oldest torch` adds
it.
"""

import re
import sys
import tomllib
from pathlib import Path


def requirements():
    """Yield name and lower bound of all that a test needs."""
    project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
    for text in project["dependencies"] + project["optional-dependencies"]["test"]:
        name, lowest = re.fullmatch(r"([\w.-]+)>=([\w.]+)", text).groups()
        yield name, lowest


def main(which, *more):
    for name, lowest in requirements():
        if name != "torch" or name in more:
            print(f"{name}=={lowest}" if which == "oldest" else name)


if __name__ == "__main__":
    main(*sys.argv[1:])
