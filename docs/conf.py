"""The site: ``make docs`` builds it, links checked."""

import llmcost

project = "llmcost"
copyright = "the llmcost authors"
version = release = llmcost.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"llmcost {version}"
myst_heading_anchors = 4
autodoc_typehints = "none"
nitpicky = False
# What `make linkcheck` need not reach.
linkcheck_ignore = [r"https://example\.com/.*"]
