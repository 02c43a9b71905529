"""The snippets of the pages: blocks of Python sessions that are run, and their output.

    python docs/_ext/pages.py docs/guide/reduce.md    rewrites output that has changed

The sessions of a page build on each other and share their names. Numbers with a decimal point
may differ by three units of their last digit, as they do from processor to processor.
"""

import doctest
import io
import os
import re
import sys
import tempfile
import warnings
from pathlib import Path

DOCS = Path(__file__).parents[1]
SESSION = re.compile(r"^```pycon\n(.*?)^```$", flags=re.DOTALL | re.MULTILINE)
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE | doctest.IGNORE_EXCEPTION_DETAIL
NUMBER = re.compile(r"-?\d+\.(\d*)")


class Checker(doctest.OutputChecker):
    """Compares output, numbers up to their last digits."""

    def check_output(self, want, got, flags):
        if super().check_output(want, got, flags):
            return True
        wanted, found = list(NUMBER.finditer(want)), list(NUMBER.finditer(got))
        if len(wanted) != len(found) or "..." in want:
            return False
        near = all(
            abs(float(w[0]) - float(f[0])) <= 3.001 * 10 ** -len(w[1])
            for w, f in zip(wanted, found, strict=True)
        )
        texts = [re.sub(r"[\s-]+", " ", NUMBER.sub("#", text)) for text in (want, got)]
        return near and texts[0].strip() == texts[1].strip()


class Runner(doctest.DocTestRunner):
    """Runs examples, and keeps what those printed whose output is another."""

    def __init__(self):
        super().__init__(Checker(), verbose=False, optionflags=FLAGS)
        self.others = {}

    def report_failure(self, out, test, example, got):
        self.others[id(example)] = got
        super().report_failure(out, test, example, got)

    def report_unexpected_exception(self, out, test, example, exc_info):
        self.others[id(example)] = None
        super().report_unexpected_exception(out, test, example, exc_info)


def paths():
    """Return the pages that hold sessions, sorted."""
    pages = [p for p in DOCS.rglob("*.md") if "_build" not in p.parts]
    return sorted(p for p in [*pages, DOCS.parent / "README.md"] if _sessions(p))


def _sessions(path):
    return SESSION.findall(path.read_text(encoding="utf-8"))


def run(path, write=False):
    """Run the sessions of a page, in a folder of their own; return the failures as text.

    With `write`, output that has changed is written into the page.
    """
    text = path.read_text(encoding="utf-8")
    runner, globs, report = Runner(), {"__name__": "__main__"}, io.StringIO()
    before = os.getcwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ResourceWarning)
                for match in SESSION.finditer(text):
                    line = text.count("\n", 0, match.start(1))
                    examples = doctest.DocTestParser().get_examples(match[1], path.name)
                    test = doctest.DocTest(
                        examples, globs, path.name, str(path), line, None
                    )
                    runner.run(test, out=report.write, clear_globs=False)
                    globs = test.globs
                    if write:
                        new = _rewritten(examples, runner.others)
                        text = text.replace(match[0], f"```pycon\n{new}```", 1)
        finally:
            os.chdir(before)
    if write:
        path.write_text(text, encoding="utf-8")
    return report.getvalue()


def _rewritten(examples, others):
    lines = []
    for example in examples:
        source = example.source.rstrip("\n").split("\n")
        lines += [f">>> {source[0]}", *(f"... {line}".rstrip() for line in source[1:])]
        output = others.get(id(example), example.want)
        if output is None:
            raise SystemExit(f"This raises an error; mend it first:\n{example.source}")
        lines += [
            line or "<BLANKLINE>" for line in output.rstrip("\n").split("\n") if output
        ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    for name in sys.argv[1:]:
        print(name, run(Path(name).resolve(), write=True), sep="\n")
