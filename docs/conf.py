"""The documentation site: `make docs`."""

from __future__ import annotations

from kanrun import __version__

project, author, version = "kanrun", "", __version__
html_title = "kanrun"
extensions = ["myst_parser"]
exclude_patterns = ["_build", "_tools", "notebooks"]
myst_heading_anchors = 3
html_theme = "furo"
html_copy_source = html_show_sphinx = html_show_copyright = False
html_theme_options = {"sidebar_hide_name": False, "top_of_page_buttons": []}
highlight_language = "none"
