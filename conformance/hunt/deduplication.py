"""Groups failures into defects: by the mistake that gives their numbers, or a sentence that was measured, or how they
show.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated

from conformance.events import MEASURED, Diagnosis, PropertyResult
from conformance.faults.patching import Fault
from conformance.harness.records import Meta
from conformance.judging.properties import Property
from conformance.judging.serialisation import case_from_data

Name = tuple[tuple[str, ...], str, str]  # what makes a failure distinct, what is wrong, and the patch of a mistake
Hash = Annotated[str, Meta(pattern="[0-9a-f]{64}")]  # the id of a defect, in files
MISTAKE, SENTENCE, FAILURE = "mistake", "sentence", "failure"


@dataclass(frozen=True)
class FailureSignature:
    """How a failure shows: the property that does not hold, and its kind, with the array or the exception's type."""

    id: str
    kind: str

    @property
    def about(self) -> str:
        """The array or the type of the exception; the sort where there is neither."""
        return self.kind.partition(":")[2] or self.kind


@dataclass
class Defect:
    """A distinct failure of a target.

    key      what makes it distinct: one of MISTAKE, SENTENCE, FAILURE, and which
    title    what is wrong in a sentence;  patch  the change of the reference that gives the numbers, if one does
    result   the failure that stands for all of it;  shown  how it shows
    """

    target: str
    key: tuple[str, ...]
    title: str
    patch: str
    result: PropertyResult
    shown: list[FailureSignature] = field(default_factory=list)

    @property
    def id(self) -> str:
        """The name of the defect, the same on every machine: a hash of what makes it distinct."""
        return hashlib.sha256(json.dumps([self.target, *self.key]).encode()).hexdigest()


def how(result: PropertyResult) -> FailureSignature:
    """How a failure shows."""
    return FailureSignature(result.id, result.kind)


def defects(
    target: str, failed: Sequence[PropertyResult], diagnosis: Diagnosis, properties: Mapping[str, Property],
    also: Sequence[FailureSignature] = (),
) -> list[Defect]:  # fmt: skip
    """The distinct failures among those of one round, each with what stands for it; the strongest property first.

    also: what else failed in this round, and is known
    """
    found: dict[tuple[str, ...], Defect] = {}
    ranked = sorted(failed, key=lambda result: properties[result.id].rank)
    named = {result.id: finding_of_failure(result, diagnosis) for result in ranked}
    unnamed = [*also, *(how(result) for result in ranked if not named[result.id])]
    unnamed.sort(key=lambda shown: properties[shown.id].rank)
    for result in ranked:
        key, title, patch = named[result.id] or strongest_alike(result, unnamed)
        defect = found.setdefault(key, Defect(target, key, title, patch, result))
        defect.shown.append(how(result))
        if defect.result.found is None and result.found is not None:
            defect.result = result
    return list(found.values())


def finding_of_failure(result: PropertyResult, diagnosis: Diagnosis) -> Name | None:
    """What a diagnosis says of a failure; None where it says nothing."""
    if faults := explaining(result, diagnosis):
        ids, titles = [fault.id for fault in faults], [fault.title for fault in faults]
        return (MISTAKE, *sorted(ids)), "; ".join(titles), "\n".join(fault.patch() for fault in faults)
    for one in diagnosis.findings:
        if one.explains and one.patch and not one.exact:  # the reference with this change fails in the same words
            return (MISTAKE, one.fault), one.title, one.patch
    told = [one for one in diagnosis.findings if one.fault_class == MEASURED]
    if told and result.found and result.found["demand"] == "numbers" and failed_cell(result) not in diagnosis.named:
        titles, patches = [one.title for one in told], [one.patch for one in told if one.patch and one.explains]
        return (SENTENCE, *sorted(titles)), "; ".join(titles), "\n".join(patches)
    return None


def explaining(result: PropertyResult, diagnosis: Diagnosis) -> Sequence[Fault]:
    """The mistakes that were named for the cell of a failure, if they explain it."""
    return diagnosis.named.get(failed_cell(result), ()) if result.id in diagnosis.explained else ()


def failed_cell(result: PropertyResult) -> str:
    """The cell of the case on which a property fails; empty where there is none."""
    return str(case_from_data(result.case).config.cell) if result.case else ""


def strongest_alike(result: PropertyResult, ranked: Sequence[FailureSignature]) -> Name:
    """The name of a failure that has none: the strongest property that fails about the same stands for it."""
    about = how(result).about
    return (FAILURE, next(one.id for one in ranked if one.about == about), about), result.message, ""
