"""Links and titles in Markdown, made ready for where it is shown. Standard library only: setup.py reads this too."""

from __future__ import annotations

import posixpath
import re

# A link to another file; what stands in a block or a span of code is no link.
LINK = re.compile(r"```.*?```|\[(?P<words>[^\]]+)\]\((?![a-z]+:|#)(?P<target>[^)\s]+)\)|`[^`\n]+`", re.DOTALL)
TITLE = re.compile(r'^```(\w+) title="([^"]+)"$', re.MULTILINE)


def absolute(text: str, address: str) -> str:
    """Markdown of the root folder with links that work elsewhere: each file is looked for below an address."""
    return LINK.sub(lambda m: f"[{m['words']}]({address}{m['target']})" if m["target"] else m[0], text)


def addresses(address: str) -> dict[str, str]:
    """What a package index shows beside the package: none as long as nobody has said where its files are."""
    pages = {"Documentation": "README.md", "Changelog": "CHANGELOG.md", "Security": "SECURITY.md"}
    return {"Source": address} | {name: address + page for name, page in pages.items()} if address else {}


def outward(text: str, place: str, inside: str, address: str) -> str:
    """Markdown of the folder ``place`` whose links stay, if they stay ``inside``.

    The others lead below the address; without one only their words are left.
    """

    def link(match: re.Match[str]) -> str:
        if not match["target"]:
            return match[0]
        path = posixpath.normpath(posixpath.join(place, match["target"]))
        if (path + "/").startswith(inside):
            return match[0]
        return f"[{match['words']}]({address}{path})" if address else match["words"]

    return LINK.sub(link, text)


def titled(text: str) -> str:
    """Blocks with a title in Sphinx's own words: the name of a file is shown above its text."""
    return TITLE.sub(r"```{code-block} \1\n:caption: \2\n", text)
