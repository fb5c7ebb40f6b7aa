"""What a file imports that it may not: read off its text, so that an import in a function counts before it runs."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from .child import forbidden_package
from .source_text import SourceText


def forbidden_import(file: Path, forbid: Collection[str], seen: frozenset[Path] = frozenset()) -> str:
    """Where a file, or one beside it that it imports, imports a forbidden module; empty if it does not, or cannot be
    read, which others say better.

    forbid: dotted names; each stands for a module with all that is in it
    """
    for line, name in SourceText.read(file).imports():
        if package := forbidden_package(name, forbid):
            return f"{file.name} imports {package} on line {line}, which is forbidden here"
        beside = file.with_name(name.partition(".")[0] + ".py")
        if (
            beside.is_file()
            and beside not in seen
            and (said := forbidden_import(beside, forbid, seen | {file, beside}))
        ):
            return said
    return ""
