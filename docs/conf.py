"""Settings of the documentation: `python -m sphinx -W -n -b html docs docs/_build/html`."""

import os
import sys
from pathlib import Path

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS / "_ext"))
sys.path.insert(0, str(DOCS.parent))

import gallery  # noqa: E402

import skae  # noqa: E402

project = "skae"
author = "the skae developers"
copyright = author
version = release = skae.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "myst_parser",
    "sphinx_gallery.gen_gallery",
    "sphinx_design",
    "sphinx_copybutton",
    "figures",
    "mathml",
    "reference_pages",
]
nitpicky = True
# Docstrings name parameters and objects of this package in single backticks.
default_role = "literal"
exclude_patterns = ["_build", "_examples", "**/README.md"]
templates_path = ["_templates"]
myst_enable_extensions = ["colon_fence", "dollarmath", "deflist"]
myst_heading_anchors = 3
html_math_renderer = "mathml"

autodoc_typehints = "none"
autodoc_default_options = {"member-order": "alphabetical"}
autosummary_generate = True
numpydoc_show_class_members = False
numpydoc_xref_param_type = False

sphinx_gallery_conf = {
    "examples_dirs": [str(gallery.copied_to(DOCS / "_examples"))],
    "gallery_dirs": ["gallery"],
    "filename_pattern": r"\.py$",
    "ignore_pattern": r"__init__",
    "within_subsection_order": "gallery.ByPlace",
    "parallel": 2,
    "backreferences_dir": "reference/used_in",
    "doc_module": ("skae",),
    "abort_on_example_error": True,
    "download_all_examples": False,
    "show_signature": False,
    "remove_config_comments": True,
    # Its pages load scripts from elsewhere.
    "write_computation_times": False,
    "show_memory": False,
    # Pictures are the figure that a script leaves open; closing and seeds are its affair.
    "reset_modules": ("matplotlib",),
}

html_theme = "pydata_sphinx_theme"
html_title = "skae"
html_static_path = ["_static"]
html_css_files = ["skae.css"]
html_show_sourcelink = False
html_theme_options = {
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "navbar_align": "left",
    "header_links_before_dropdown": 7,
    "footer_start": ["copyright"],
    "footer_end": [],
    "secondary_sidebar_items": ["page-toc"],
    "logo": {"text": "skae"},
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
html_sidebars = {"index": [], "start": [], "choose": [], "faq": [], "changelog": []}
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
copybutton_only_copy_prompt_lines = True

# One thread, as the tests have: the examples' figures do not depend on the machine's cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Built without network: what other packages document is named, not linked.
nitpick_ignore_regex = [("py:obj", r"(sklearn|skops)\..*")]
