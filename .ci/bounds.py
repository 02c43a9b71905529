"""Prints what pip is to install of the dependencies in pyproject.toml, and for the tests.

python .ci/bounds.py oldest    the lower bounds, as name==version
python .ci/bounds.py newest    the names, but torch's: pip takes its largest build
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


def main(which):
    for name, lowest in requirements():
        if which == "oldest":
            print(f"{name}=={lowest}")
        elif name != "torch":
            print(name)


if __name__ == "__main__":
    main(sys.argv[1])
