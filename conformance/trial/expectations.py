"""Expected failures: what is known to be wrong, and why, as data.

A file in TOML, one table for each exception:

    [[expected]]
    property = "lengths.length_zero"
    reason = "the operator leaves the final state of a row of length 0 open"

In the place of property = "ID" may stand property = "CHAPTER", or counterexample = "FILE", a saved one. With mistake =
"ID" the entry also names the mistake that is known, as the diagnosis in a report of JSON has it; it decides nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conformance.events import Diagnosis, PropertyResult
from conformance.harness.files import FileError, read_json, read_toml
from conformance.judging.serialisation import CounterexampleError, Unclaimed, case_from_data, counterexample_from_data
from conformance.trial.options import UsageError
from reference_rnn import Case

from .counterexamples import LARGEST, current_name, load
from .property_names import Names

KEYS = ("property", "counterexample", "mistake", "reason")


@dataclass(frozen=True)
class Expectation:
    """One known failure: of a property, of some in a chapter, or (case) of a property on just this case.

    name   as it stands in the file;  among  the properties that it stands for, of which one must fail
    saved  the counterexample as data, where only the target that is judged can say what its case means
    mistake  the id of the mistake that is behind it, if it is named
    """

    name: str
    among: tuple[str, ...]
    reason: str
    case: tuple[str, str] | None = None
    saved: Any = None
    mistake: str = ""

    def is_about(self, ids: Collection[str]) -> bool:
        """Whether one of these properties may fail by it."""
        return any(id in ids for id in self.among)

    def fits(self, result: PropertyResult) -> bool:
        """Whether this is a failure that was expected."""
        if result.status != "failed" or result.id not in self.among:
            return False
        if self.case is None and self.saved is None:
            return True
        return bool(result.case) and identity(case_from_data(result.case)) == self.expected_case()

    def expected_case(self) -> tuple[str, str] | None:
        """What tells the case from others; None where it is of no cell that has been loaded by now."""
        try:
            return self.case or identity(counterexample_from_data(self.saved).case)
        except CounterexampleError:
            return None


def identity(case: Case) -> tuple[str, str]:
    """What tells a case from others: its numbers, and which cell it is of."""
    cell = case.config.cell.crossing
    return repr(case), repr(cell.get("sha256", cell) if isinstance(cell, dict) else cell)


def read_expectations(file: Path, names: Names) -> list[Expectation]:
    """The expectations in a file, of properties with these names.

    Raises UsageError, naming the file and the entry, if one is not understood.
    """
    try:
        data = read_toml(file)
    except FileError as error:
        raise UsageError(f"{file} cannot be read: {error}") from None
    entries = data.get("expected", [])
    if set(data) - {"expected"} or not isinstance(entries, list):
        raise UsageError(f"{file} must hold [[expected]] tables and nothing else")
    return [expectation(file, number, entry, names) for number, entry in enumerate(entries, 1)]


def expectation(file: Path, number: int, entry: object, names: Names) -> Expectation:
    """One entry; raises UsageError."""
    where = f"{file}, entry {number}"
    if not isinstance(entry, dict) or not all(isinstance(value, str) for value in entry.values()):
        raise UsageError(f"{where}: must be a table of texts: {', '.join(KEYS)}")
    for key in entry:
        if key not in KEYS:
            raise UsageError(f"{where}: unknown key {key!r}; the keys are {', '.join(KEYS)}")
    if not entry.get("reason", "").strip():
        raise UsageError(f"{where}: a reason is required")
    if ("property" in entry) == ("counterexample" in entry):
        raise UsageError(f"{where}: must have either property or counterexample")
    try:
        if "property" in entry:
            among = names.among(entry["property"])
            return Expectation(entry["property"], among, entry["reason"], mistake=entry.get("mistake", ""))
        saved = file.parent / entry["counterexample"]
        try:
            found = load(saved, described=True)
            property, case, data = found.property, identity(found.case), None
        except Unclaimed:
            data = read_json(saved, LARGEST)
            property, case = data["property"], None
        current = current_name(saved, property, names)
    except (CounterexampleError, FileError, UsageError) as error:
        raise UsageError(f"{where}: {error}") from None
    return Expectation(current, (current,), entry["reason"], case, data, entry.get("mistake", ""))


def apply(expected: Sequence[Expectation], results: Sequence[PropertyResult]) -> list[str]:
    """Marks the failures that were expected; what was expected and did not happen, in sentences.

    Nothing is said of what was not judged, or of a chapter that was judged in part: what was left out may have failed.
    """
    unmatched = []
    for one in expected:
        for result in filter(one.fits, results):
            result.status = "expected_failure"
            result.message += f"; expected: {one.reason}"
        found = {result.id: result.status for result in results if result.id in one.among}
        judged = len(found) == len(one.among) and not {"not_run", "inconclusive"} & {*found.values()}
        if judged and "expected_failure" not in found.values():
            unmatched.append(f"{one.name} was expected to fail and did not ({one.reason})")
    return unmatched


def name_mistakes(
    expected: Sequence[Expectation], results: Sequence[PropertyResult], diagnosis: Diagnosis
) -> list[str]:  # fmt: skip
    """Says of what failed as expected which mistake explains it; that a named one does not, in sentences."""
    others = []
    for one in expected:
        known = [result for result in results if result.status == "expected_failure" and result.id in one.among]
        if not one.mistake or not known:
            continue
        diagnosis.expect((one.mistake,), one.reason)
        titles = [finding.title for finding in diagnosis.findings if finding.fault == one.mistake]
        if not titles:
            others.append(f"{one.name} was expected to fail by {one.mistake}, which is not what was found")
        for result in known:
            if titles and result.id in diagnosis.alone.get(one.mistake, ()):
                result.message = f"{titles[0]}; expected: {one.reason}"
    return others
