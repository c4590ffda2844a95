"""How `make docs` turns docs/ into the documentation site; a warning, such as a dead link, is an error there."""

import re
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.util import logging

import reslab

project = "ResLab"
author = "The ResLab authors"
copyright = author
version = release = reslab.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "cyclopts.ext.sphinx"]
exclude_patterns = ["Thumbs.db"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 4
default_role = "py:obj"  # `Run` in a docstring is a link if it is documented, and code otherwise
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
html_theme = "furo"
html_title = "ResLab"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_theme_options = {
    "source_repository": "https://github.com/reslab/reslab/",
    "source_branch": "main",
    "source_directory": "docs/",
}
linkcheck_anchors = False  # GitHub makes those of its pages in the browser
linkcheck_ignore = [r"https://github\.com/reslab/reslab/security/advisories/new"]  # asks for a login

DOCS = Path(__file__).parent
ROOT = DOCS.parent
REPOSITORY = "https://github.com/reslab/reslab/blob/main/"
PAGES = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changes.md"}
"""Documents of the repository that the site shows, too, by the page that includes them."""

LINK = re.compile(r"(?<=\]\()(?![a-z]+:|#)([^)\s#]+)(#[^)\s]*)?(?=\))")


def setup(app: Sphinx) -> None:
    """Have the links of each document rewritten for the site as it is read."""
    app.connect("source-read", lambda app, page, text: _rewrite(text, DOCS / f"{page}.md"))
    app.connect("include-read", lambda app, path, page, text: _rewrite(text, DOCS / path))


def _rewrite(text: list[str], document: Path) -> None:
    """Point links between documents to their pages, and links to other files of the repository to GitHub."""

    def target(match: re.Match[str]) -> str:
        path, anchor = (document.parent / match[1]).resolve(), match[2] or ""
        if not path.exists():
            logging.getLogger(__name__).warning("%s links to %s, which does not exist", document.name, match[1])
            return match[0]
        name = path.relative_to(ROOT).as_posix()
        if name in PAGES:
            return PAGES[name] + anchor
        return (path.relative_to(DOCS).as_posix() if path.is_relative_to(DOCS) else REPOSITORY + name) + anchor

    text[0] = LINK.sub(target, text[0])
