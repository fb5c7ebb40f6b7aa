"""The files that were asked for: written whole or not at all, before anything is shown."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from conformance.events import Event, Finished
from conformance.trial.options import Options

from . import badge, junit, sarif, summary
from .together import Refused, Together


def page(told: Together) -> str:
    """The reports as a page; what makes pages is imported only where one is asked for."""
    from . import html

    return html.page(told)


FORMATS: dict[str, Callable[[Together], str]] = {
    "json": Together.to_json,
    "junitxml": junit.document,
    "html": page,
    "summary": summary.document,
    "sarif": sarif.document,
    "badge": badge.document,
}
Shelf = dict[tuple[str, Path], Together]  # what each file is about, by its format and its path


class Files:
    """Writes the report into the files that the options name.

    shelf: what was written before; a file that several trials name is about all of them
    """

    def __init__(self, options: Options, shelf: Shelf | None = None) -> None:
        self.wanted = [(name, file) for name in FORMATS if (file := getattr(options, name))]
        self.shelf: Shelf = {} if shelf is None else shelf
        self.losses: list[str] = []

    def __call__(self, event: Event) -> None:
        """Writes all files at the end of the trial; what cannot be written is among the losses."""
        if isinstance(event, Finished):
            for told in self.mine():
                told.entries.append(event.report)
            self.write()

    def refused(self, target: Refused) -> None:
        """Writes all files for a target that could not be judged."""
        for told in self.mine():
            told.entries.append(target)
        self.write()

    def mine(self) -> list[Together]:
        """What each of the files is about."""
        return [self.shelf.setdefault(key, Together()) for key in self.wanted]

    def write(self) -> None:
        """Writes all files; what cannot be written is among the losses."""
        self.losses = write({file: FORMATS[name](self.shelf[name, file]) for name, file in self.wanted})

    def said(self) -> list[str]:
        """What could not be written."""
        return [f"not written  {loss}" for loss in self.losses]


def write(texts: Mapping[Path | None, str]) -> list[str]:
    """Writes some files; in a sentence each, those that could not be written. None is no file."""
    losses = []
    for file, text in texts.items():
        try:
            if file is not None:
                replace(file, text.rstrip("\n") + "\n")
        except (OSError, ValueError) as error:
            losses.append(f"{file} cannot be written: {getattr(error, 'strerror', None) or error}")
    return losses


def replace(file: Path, text: str) -> None:
    """Writes a file in one step: whoever reads it finds the old text or the new one.

    What is no regular file (a pipe, a terminal) is written to. Lone surrogates become question marks. Raises OSError.
    """
    data = text.encode("utf-8", errors="replace")
    if file.exists() and not file.is_file():
        with open(file, "wb", buffering=0) as stream:
            write_all(stream.fileno(), data)
        return
    place = Path(os.path.realpath(file))
    descriptor, name = tempfile.mkstemp(prefix=f".{place.name[:40]}.", dir=place.parent)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
        os.chmod(name, stat.S_IMODE(place.stat().st_mode) if place.exists() else 0o666 & ~umask())
        os.replace(name, place)
    except BaseException:
        os.unlink(name)
        raise


def write_all(descriptor: int, data: bytes) -> None:
    """Writes all of it, however little is taken at a time."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def umask() -> int:
    """The bits that new files do not get."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
