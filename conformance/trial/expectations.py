"""Expected failures: what is known to be wrong, and why, as data.

A file in TOML, one table for each exception:

    [[expected]]
    property = "lengths.length_zero"
    reason = "the operator leaves the final state of a row of length 0 open"

In the place of property = "ID" may stand property = "CHAPTER", or counterexample = "FILE", a saved one.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from conformance.events import PropertyResult
from conformance.harness.files import FileError, read_toml
from conformance.judging.data import CounterexampleError, case_from_data
from conformance.trial.options import UsageError

from .counterexamples import LARGEST, claimed_by, load
from .names import Names

KEYS = ("property", "counterexample", "reason")


@dataclass(frozen=True)
class Expectation:
    """One known failure: of a property, of some in a chapter, or (case) of a property on just this case.

    name  as it stands in the file;  among  the properties that it stands for, of which one must fail
    """

    name: str
    among: tuple[str, ...]
    reason: str
    case: str | None = None

    def is_about(self, ids: Collection[str]) -> bool:
        """Whether one of these properties may fail by it."""
        return any(id in ids for id in self.among)

    def fits(self, result: PropertyResult) -> bool:
        """Whether this is a failure that was expected."""
        failed = result.status == "failed" and result.id in self.among
        return failed and (self.case is None or (bool(result.case) and self.case == repr(case_from_data(result.case))))


def read(file: Path, names: Names) -> list[Expectation]:
    """The expectations in a file, of properties with these names.

    Raises UsageError, naming the file and the entry, if one is not understood.
    """
    try:
        data = read_toml(file, LARGEST)
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
            return Expectation(entry["property"], names.among(entry["property"]), entry["reason"])
        saved = file.parent / entry["counterexample"]
        claimed_by(saved)
        found = load(saved)
    except (CounterexampleError, UsageError) as error:
        raise UsageError(f"{where}: {error}") from None
    current = names.current(found.property)
    return Expectation(current, (current,), entry["reason"], repr(found.case))


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
