"""Measure the structure of the package: sizes, override points, repeated documentation.

    python tools/house.py CHECKOUT [CHECKOUT ...]

One column is printed per checkout, so that two states can be compared. The source code is only
parsed, never imported.

A code line is a line that is neither blank, nor a comment, nor part of a docstring. The length
of a function excludes its docstring. An override point is a method, property or class attribute
of a shared base class of the estimators or models that a subclass within the package redefines,
or that the base class uses through `self` and only subclasses define. Classes are identified by
their names.
"""

import argparse
import ast
import io
import statistics
import tokenize
from collections import Counter
from itertools import pairwise
from pathlib import Path

PACKAGE = "skae"
# Modules of the shared base classes, in the old and in the present layout.
BASES = ("_base.py", "_apply.py", "_estimator.py", "_inference.py", "models/model.py")
Function = ast.FunctionDef | ast.AsyncFunctionDef


def docstring_lines(node):
    """Return the line numbers of the docstring of a module, class or function, a set."""
    if ast.get_docstring(node, clean=False) is None:
        return set()
    return set(range(node.body[0].lineno, node.body[0].end_lineno + 1))


def code_lines(source, tree):
    """Return the numbers of the lines that hold code, a set."""
    lines = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.string.strip() and token.type != tokenize.COMMENT:
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | Function):
            lines -= docstring_lines(node)
    return lines


def nodes_of(trees, kind):
    return [node for tree in trees for node in ast.walk(tree) if isinstance(node, kind)]


def function_length(function):
    n_lines = function.end_lineno - function.lineno + 1
    return n_lines - len(docstring_lines(function))


def names_defined(cls):
    """Return the methods, properties and class attributes of a class, but dunder names."""
    names = set()
    for node in cls.body:
        if isinstance(node, Function):
            names.add(node.name)
        targets = getattr(node, "targets", [getattr(node, "target", None)])
        names |= {target.id for target in targets if isinstance(target, ast.Name)}
    return {name for name in names if not name.startswith("__")}


def names_used(cls):
    """Return the names that a class reads from `self`."""
    return {
        node.attr
        for node in ast.walk(cls)
        if isinstance(node, ast.Attribute)
        and isinstance(node.ctx, ast.Load)
        and isinstance(node.value, ast.Name)
        and node.value.id == "self"
    }


def ancestors(cls, classes):
    """Return the names of the classes that a class is derived from."""
    names = set()
    for base in cls.bases:
        name = base.id if isinstance(base, ast.Name) else getattr(base, "attr", None)
        names.add(name)
        if name in classes and name != cls.name:
            names |= ancestors(classes[name], classes)
    return names


def override_points(trees):
    """Return "Base.name" of every override point, sorted."""
    classes = {cls.name: cls for cls in nodes_of(trees.values(), ast.ClassDef)}
    parents = {name: ancestors(cls, classes) for name, cls in classes.items()}
    points = {}
    for base in nodes_of([trees[path] for path in BASES if path in trees], ast.ClassDef):
        below = [classes[name] for name, above in parents.items() if base.name in above]
        inherited = [classes[name] for name in parents[base.name] if name in classes]
        own = names_defined(base)
        undeclared = names_used(base) - own
        undeclared = undeclared.difference(*map(names_defined, inherited))
        redefined = set().union(*map(names_defined, below))
        for name in (own | undeclared) & redefined:
            points.setdefault(name, base.name)
    return sorted(f"{base}.{name}" for name, base in points.items())


def repeated_documentation(trees):
    """Return how many docstring lines, and parameters, stand in several class docstrings."""
    lines, parameters = Counter(), Counter()
    for cls in nodes_of(trees.values(), ast.ClassDef):
        text = (ast.get_docstring(cls) or "").splitlines()
        content = {line.strip() for line in text}
        lines.update(line for line in content if len(line.split()) > 1)
        parameters.update(documented_parameters(text))
    return [sum(n > 1 for n in counter.values()) for counter in (lines, parameters)]


def documented_parameters(lines):
    """Return the names in the section "Parameters" of a numpydoc docstring, a set."""
    names, inside = set(), False
    for line, following in pairwise([*lines, ""]):
        if following.startswith("---"):
            inside = line == "Parameters"
        elif inside and line and not line.startswith((" ", "-")):
            names.update(line.partition(":")[0].replace("*", "").split(", "))
    return {name.strip() for name in names}


def is_annotated(function):
    arguments = function.args
    named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    named += [a for a in (arguments.vararg, arguments.kwarg) if a is not None]
    complete = all(a.annotation for a in named if a.arg not in ("self", "cls"))
    return complete and (function.returns is not None or function.name == "__init__")


def public_functions(trees):
    """Return the public functions, and the public methods and constructors of classes."""
    owners = [*trees.values(), *nodes_of(trees.values(), ast.ClassDef)]
    return [
        node
        for owner in owners
        if not getattr(owner, "name", "").startswith("_")
        for node in owner.body
        if isinstance(node, Function)
        and (node.name == "__init__" or not node.name.startswith("_"))
    ]


def measure(checkout):
    """Return the measures of a checkout by name, and its override points."""
    root = Path(checkout) / PACKAGE
    paths = sorted(root.rglob("*.py"))
    if not paths:
        raise SystemExit(
            f"{checkout} holds no package {PACKAGE}; give a checkout's folder."
        )
    sources = {p.relative_to(root).as_posix(): p.read_text(encoding="utf-8") for p in paths}
    trees = {path: ast.parse(source) for path, source in sources.items()}
    sizes = [len(source.splitlines()) for source in sources.values()]
    lengths = sorted(map(function_length, nodes_of(trees.values(), Function)))
    points = override_points(trees)
    repeated_lines, repeated_parameters = repeated_documentation(trees)
    public = public_functions(trees)
    figures = {
        "package lines": sum(sizes),
        "code lines": sum(len(code_lines(sources[path], trees[path])) for path in trees),
        "files": len(sizes),
        "files past 300 lines": sum(size > 300 for size in sizes),
        "files past 400 lines": sum(size > 400 for size in sizes),
        "functions": len(lengths),
        "function lines, median": statistics.median(lengths),
        "function lines, 90th percentile": lengths[int(0.9 * (len(lengths) - 1))],
        "function lines, longest": lengths[-1],
        "override points": len(points),
        "docstring lines in several classes": repeated_lines,
        "parameters documented in several classes": repeated_parameters,
        "public functions annotated": f"{sum(map(is_annotated, public)) / len(public):.0%}",
    }
    return figures, points


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkouts", nargs="+", metavar="CHECKOUT")
    checkouts = parser.parse_args().checkouts
    measures = {checkout: measure(checkout) for checkout in checkouts}
    print(f"| measure | {' | '.join(checkouts)} |")
    print("| --- |" + " ---: |" * len(checkouts))
    for name in measures[checkouts[0]][0]:
        print(f"| {name} | {' | '.join(str(m[name]) for m, _ in measures.values())} |")
    for checkout, (_, points) in measures.items():
        print(f"\nOverride points of {checkout}: {', '.join(points)}")


if __name__ == "__main__":
    main()
