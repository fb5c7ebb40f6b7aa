"""Where the text of a target stands: the file and the line that annotations point to."""

from __future__ import annotations

import functools
import inspect
import os
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

from conformance.harness.child import LoadError
from conformance.harness.load import SHIPPED, spec_of
from conformance.harness.source_text import SourceText

HOME = Path(__file__).parent.parent
FORWARD = "forward"  # what a file is asked for that is named without more


@dataclass(frozen=True)
class SourcePlace:
    """A file, by its absolute path, and the line, counted from 1, at which a target begins."""

    file: Path
    line: int = 1

    @property
    def from_root(self) -> str:
        """The file as seen from the root of its repository, with slashes; absolute where it lies in none."""
        for root in roots(self.file):
            if self.file.is_relative_to(root):
                return self.file.relative_to(root).as_posix()
        return self.file.as_posix()


def roots(file: Path) -> Iterator[Path]:
    """What may be the root of a file's repository: what a runner says, the folder of its .git, this folder."""
    if workspace := os.environ.get("GITHUB_WORKSPACE"):
        yield Path(workspace).resolve()
    yield from (folder for folder in file.parents if (folder / ".git").exists())
    yield Path.cwd()


def place_of(target: Any) -> SourcePlace | None:
    """The place of what ``conformance.check`` takes as a target; None where it is no text of the user's."""
    found = of_name(os.fspath(target)) if isinstance(target, (str, os.PathLike)) else of_object(target)
    return None if found is None or found.file.is_relative_to(HOME) else found


def of_name(text: str) -> SourcePlace | None:
    """The place of a target that is named, without loading it."""
    try:
        if text.startswith("cmd:"):
            words = shlex.split(text.removeprefix("cmd:"))
            return next((SourcePlace(Path(word).resolve()) for word in words[1:] if os.path.isfile(word)), None)
        _, spec = spec_of(text)
    except (LoadError, ValueError, OSError):
        return None
    spec = next((stage for stage in spec.get("stages", ()) if "file" in stage), spec)  # the first that is one's own
    if spec.get("module") in SHIPPED.values():
        return None
    file = Path(spec["file"]).resolve() if "file" in spec else file_of_module(spec["module"])
    return None if file is None else SourcePlace(file, SourceText.read(file).line_of(spec["name"] or FORWARD))


def file_of_module(name: str) -> Path | None:
    """The file of a module, looked for in this folder and on the path; nothing is imported."""
    path: list[str] | None = [os.getcwd(), *sys.path]
    spec = None
    for number, _ in enumerate(parts := name.split("."), 1):
        spec = PathFinder.find_spec(".".join(parts[:number]), path)
        if spec is None:
            return None
        path = list(spec.submodule_search_locations or [])
    return Path(spec.origin).resolve() if spec and spec.has_location and spec.origin else None


def of_object(target: Any) -> SourcePlace | None:
    """The place of a class, a function, or the class of an object."""
    while isinstance(target, functools.partial):
        target = target.func
    for what in (target, type(target)):
        try:
            file = inspect.getsourcefile(what)
            return SourcePlace(Path(file or "").resolve(), inspect.getsourcelines(what)[1] or 1) if file else None
        except (TypeError, OSError):
            continue
    return None
