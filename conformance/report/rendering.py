"""The templates of pages, which share a style: no network, no script."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined


def templates() -> Environment:
    """What renders the templates by their names; a name that a template uses and nobody gives is an error."""
    return Environment(
        loader=PackageLoader("conformance.report", "templates"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
