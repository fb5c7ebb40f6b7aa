"""The files that were asked for: written whole or not at all, before anything is shown."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from conformance.events import Event, Finished
from conformance.harness.files import Folder, write_named
from conformance.report import badge, junit, sarif
from conformance.trial.options import Options

from . import markdown
from .github import SUMMARY
from .report_set import ReportSet, Unjudged


def page(told: ReportSet) -> str:
    """The reports as a page; what makes pages is imported only where one is asked for."""
    from conformance.report import html

    return html.page(told)


FORMATS: dict[str, Callable[[ReportSet], str]] = {
    "json": ReportSet.to_json,
    "junitxml": junit.document,
    "html": page,
    "summary": markdown.document,
    "sarif": sarif.document,
    "badge": badge.document,
}
Shelf = dict[tuple[str, str], ReportSet]  # what each file is about, by its format and where its path leads


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
            for reports in self.report_sets():
                reports.entries.append(event.report)
            self.write()

    def refused(self, target: Unjudged) -> None:
        """Writes all files for a target that could not be judged."""
        for reports in self.report_sets():
            reports.entries.append(target)
        self.write()

    def report_sets(self) -> list[ReportSet]:
        """The reports that each of the files is about, file by file."""
        return [self.about(*key) for key in self.wanted]

    def about(self, name: str, file: Path) -> ReportSet:
        """The reports that one file is about."""
        return self.shelf.setdefault((name, os.path.realpath(file)), ReportSet())

    def write(self) -> None:
        """Writes all files; what cannot be written is among the losses. A pipe may be named for several reports."""
        texts: dict[Path | None, str] = {}
        for name, file in self.wanted:
            texts[file] = texts.get(file, "") + with_final_newline(FORMATS[name](self.about(name, file)))
        self.losses = write_files(texts)

    def said(self) -> list[str]:
        """What could not be written."""
        return [f"not written  {loss}" for loss in self.losses]


def write_files(texts: Mapping[Path | None, str]) -> list[str]:
    """Writes files that somebody named; in a sentence each, those that could not be written. None is no file.

    The summary of a job is the one that its runner named: a name that leads elsewhere by now is not followed.
    """
    losses = []
    for file, text in texts.items():
        if file is None:
            continue
        try:
            if file == Path(os.environ.get(SUMMARY, "")):
                Folder(file.parent).write((file.name,), with_final_newline(text))
            else:
                write_named(file, with_final_newline(text))
        except OSError as error:
            losses.append(f"{file} cannot be written: {error.strerror}")
    return losses


def write_inside(folder: Path, texts: Mapping[tuple[str, ...], str]) -> list[str]:
    """Writes files into a folder that somebody named, under names of our own; what could not be written, like above."""
    losses = []
    for parts, text in texts.items():
        try:
            Folder(folder).write(parts, with_final_newline(text))
        except OSError as error:
            losses.append(f"{error.filename} cannot be written: {error.strerror}")
    return losses


def with_final_newline(text: str) -> str:
    """A text with one end of a line at its end."""
    return text.rstrip("\n") + "\n"
