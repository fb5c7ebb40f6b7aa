"""The templates of pages, which share a style: no network, no script."""

from __future__ import annotations

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from conformance.harness.text import visible_lines


def templates() -> Environment:
    """What renders the templates by their names; a name that a template uses and nobody gives is an error."""
    return Environment(
        loader=PackageLoader("conformance.report", "templates"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, finalize=visible,
    )  # fmt: skip


def visible(value: Any) -> Any:
    """What a template is given, as it stands in a page."""
    if isinstance(value, Markup):
        return Markup(visible_lines(value))
    return visible_lines(value) if isinstance(value, str) else value
