"""The reference documents this package's own members, not those of its dependencies."""

import re

# reStructuredText takes a word that ends in "_" for a link; here it is an attribute.
LEARNED = re.compile(r"(?<=\w)_(?=[^\w`]|$)")


def escape_learned(app, what, name, obj, options, lines):
    """Write attributes such as n_features_in_ so that they are read as words."""
    for number, line in enumerate(lines):
        if not line.lstrip().startswith((">>>", "...")):
            parts = line.split("`")
            parts[::2] = [LEARNED.sub(r"\\_", part) for part in parts[::2]]
            lines[number] = "`".join(parts)


def skip_foreign(app, what, name, obj, skip, options):
    """Leave out members that scikit-learn, torch or Python define: they document them."""
    function = getattr(obj, "fget", None) or getattr(obj, "__func__", obj)
    module = getattr(function, "__module__", None)
    if skip or what not in ("class", "exception"):
        return skip or None
    if name == "forward":  # of torch modules: the docstring of the class says what it does
        return True
    if not (callable(function) or isinstance(obj, property)):
        return True
    return True if module and not module.startswith("skae") else None


def setup(app):
    app.connect("autodoc-skip-member", skip_foreign)
    # After numpydoc, which has priority 500.
    app.connect("autodoc-process-docstring", escape_learned, priority=900)
    return {"parallel_read_safe": True}
