"""How the pages are built: python -m sphinx -W -n docs SITE. Needs the extra `docs`, and no network."""

import sys
import tomllib
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import links  # noqa: E402
import reference  # noqa: E402

SETTINGS = tomllib.loads((HERE.parent / "pyproject.toml").read_text())

project = SETTINGS["project"]["name"]
release = SETTINGS["project"]["version"]
extensions = ["myst_parser"]
exclude_patterns = ["expected-failures/**"]
myst_heading_anchors = 4
smartquotes = False  # what stands in the code stands on its page
html_theme = "furo"
html_title = project
html_static_path = ["static"]
html_css_files = ["pages.css"]
pygments_style, pygments_dark_style = "default", "monokai"
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False


def setup(app):
    """What a page leaves to the build: what the code says, the names of files, and links out of this folder."""
    app.connect("env-get-outdated", outdated)
    app.connect("source-read", read)


def outdated(_, env, *__):
    """Pages that the code has a part in are always read again: it may have changed."""
    return [name for name in env.found_docs if reference.MARK.search(Path(env.doc2path(name)).read_text())]


def read(_, name, text):
    """Completes a page before it is parsed."""
    page = links.titled(reference.completed(text[0]))
    place = str(Path("docs", name).parent)
    text[0] = links.outward(page, place, "docs/", SETTINGS["tool"]["links"]["address"])
    if name.startswith("findings/"):  # a report on one finding: the page of findings leads there, and no list of pages
        text[0] = f"---\norphan: true\n---\n\n{text[0]}"
