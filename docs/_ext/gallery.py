"""The scripts of `examples/`, arranged by task for sphinx-gallery.

sphinx-gallery makes a section of each folder and a title of each docstring's heading. The
scripts lie in one folder and begin with a sentence, so that a copy is arranged for it.
"""

import ast
import shutil
from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "examples"

# Task -> what it is about, its scripts in the order of the page.
TASKS = {
    "Start": (
        "One picture of what there is.",
        ["quickstart", "pipeline_gridsearch", "optuna_pruning"],
    ),
    "Anomalies": (
        "Rows that are not like the others, and the cells that make them so.",
        ["anomaly_explained", "anomaly_dataframe", "anomaly_threshold", "heartbeats"],
    ),
    "Tables with categories and missing cells": (
        "A data frame goes in, and one of the same columns comes back.",
        ["mixed_dataframe", "generated_rows", "recommender", "text_features"],
    ),
    "Codes for other models": (
        "What classifiers, embeddings and searches do with codes.",
        ["few_labels", "rare_classes", "tsne", "interpolation"],
    ),
    "The textbook's autoencoders": (
        "Denoising, sparse, contractive, stacked, convolutional, variational, "
        "vector-quantised and adversarial ones, each for what it is known for.",
        [
            "denoising",
            "sparse_features",
            "contractive",
            "stacked",
            "convolutional",
            "random_codes",
            "vqvae",
            "adversarial_codes",
            "gan_eight_gaussians",
        ],
    ),
    "Large tables, and service": (
        "Files that do not fit in memory, and models that leave Python.",
        ["lazy_table", "out_of_core", "onnx_export"],
    ),
}
INTRODUCTION = (
    "Every script draws a picture within seconds, and downloads nothing: all were run to make\n"
    "this page. They lie in the folder `examples`. A web service of a fitted detector, with\n"
    "and without torch, is in `examples/service`."
)


class ByPlace:
    """Scripts of a task in the order in which `TASKS` names them."""

    def __init__(self, folder):
        del folder

    def __call__(self, name):
        return placed().index(Path(name).stem)


def titled(source, name):
    """Return a script whose docstring begins with a heading instead of a sentence."""
    docstring = ast.get_docstring(ast.parse(source), clean=False)
    first, _, rest = docstring.partition("\n")
    if not first.strip():
        raise ValueError(f"examples/{name}.py: begin the docstring with one line of text.")
    title = first.strip().rstrip(".")
    rest = rest.replace("`", "``").replace("````", "``")
    heading = f"{title}\n{'=' * (len(title) + 2)}\n{rest}"
    return source.replace(docstring, heading, 1)


def placed():
    """Return the names of the scripts that have a place on the page, a list."""
    return [name for _, names in TASKS.values() for name in names]


def copied_to(folder):
    """Copy the scripts into a folder per task; return the folder of these."""
    missing = {path.stem for path in EXAMPLES.glob("*.py")}.symmetric_difference(placed())
    if missing:
        raise ValueError(
            f"{sorted(missing)}: a script of examples/ has one place among TASKS in "
            "docs/_ext/gallery.py; add it, or take it out."
        )
    shutil.rmtree(folder, ignore_errors=True)
    _write(folder / "GALLERY_HEADER.rst", _section("Gallery", INTRODUCTION, "="))
    for place, (task, (about, names)) in enumerate(TASKS.items()):
        section = folder / str(place)
        _write(section / "GALLERY_HEADER.rst", _section(task, about, "-"))
        for name in names:
            source = (EXAMPLES / f"{name}.py").read_text(encoding="utf-8")
            _write(section / f"{name}.py", titled(source, name))
    return folder


def _section(title, text, line):
    return f"{title}\n{line * len(title)}\n\n{text.replace('`', '``')}\n"


def _write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
