"""Settings of the documentation site: `make docs` builds it into build/docs with Sphinx.

Nothing in it is loaded from elsewhere: no fonts, no scripts, and formulas are MathML.
"""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE / "extensions"), str(HERE.parent)]

project = "mask-rcnn-edge"
copyright = "the authors of mask-rcnn-edge"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "site_parts"]
exclude_patterns = ["extensions"]

# Every page is Markdown that GitHub shows too; headings down to the third level can be linked to.
myst_enable_extensions = ["attrs_inline", "deflist"]
myst_heading_anchors = 3
myst_fence_as_directive = ["math"]

# Two hyphens stay two: they begin options.
smartquotes_action = "qe"

# Docstrings are written for people: a word in single backticks is code.
default_role = "literal"
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True}
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
python_maximum_signature_line_length = 160
python_use_unqualified_type_names = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
add_module_names = False

html_theme = "furo"
html_title = "mask-rcnn-edge"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_math_renderer = "mathml"
html_show_sourcelink = False
html_copy_source = False
html_show_sphinx = False
html_last_updated_fmt = None
pygments_style = "friendly"
