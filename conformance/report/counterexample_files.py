"""Counterexamples as files: what failed is judged first next time, and can be judged alone."""

from __future__ import annotations

from pathlib import Path

from conformance.events import Event, Finished, PropertyResult
from conformance.harness.files import Folder
from conformance.harness.text import visible_lines
from conformance.judging.serialisation import counterexample_from_data
from conformance.trial.counterexamples import FOLDER, file_place, save
from conformance.trial.options import Options
from conformance.trial.verdict import Report


class Keeper:
    """Saves the counterexamples of a trial, and the tracebacks of the kit's own mistakes."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.folder: Path | None = None
        self.tracebacks: list[Path] = []
        self.losses: list[str] = []

    def __call__(self, event: Event) -> None:
        """Saves everything at the end of the trial."""
        if isinstance(event, Finished) and self.options.saved:
            self.keep(event.report)

    def said(self) -> list[str]:
        """Where the files are."""
        told = [f"not saved    {loss}" for loss in self.losses]
        if self.folder is not None:
            told.append(f"saved        {self.folder}: judged first next time; rnn-conformance replay FILE TARGET")
        return [*told, *(f"traceback    {file}" for file in self.tracebacks)]

    def keep(self, report: Report) -> None:
        """Saves what failed; what cannot be saved is among the losses."""
        found = [
            counterexample_from_data(result.found | {"target": report.target})
            for result in report.results
            if result.status == "failed" and result.found
        ]
        for one in found:
            file = save(one)
            if file is None:
                self.losses = [f"{FOLDER} cannot be written here, so nothing is kept for the next time"]
            else:
                self.folder = file.parent
        for result in report.results:
            if result.error:
                self.keep_traceback(report.target, result)

    def keep_traceback(self, target: str, result: PropertyResult) -> None:
        """Saves where the kit itself made a mistake, for whoever is to mend it."""
        try:
            parts = file_place(target, f"{result.id}.traceback.txt")
            self.tracebacks.append(Folder(FOLDER, own=True).write(parts, visible_lines(result.error)))
        except OSError:
            self.losses.append(f"the traceback of {result.id} cannot be kept in {FOLDER}")
