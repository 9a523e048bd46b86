"""Sphinx configuration; the package must be installed, as .ci/run does."""

from __future__ import annotations

from kubeprims import __version__

project = "kubeprims"
author = "the kubeprims authors"
copyright = author  # noqa: A001 - Sphinx's name for it
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"kubeprims {__version__}"

myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True, "show-inheritance": True}
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_custom_sections = ["Concurrency", "Source"]

suppress_warnings = ["ref.python"]  # "type" in a signature is Python's own, whatever classes have such an attribute
