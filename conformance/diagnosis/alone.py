"""What is wrong in calls that new instances answer, beside what depends on the calls before."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from conformance.events import MEASURED, Finding
from conformance.harness.answer import Answer
from conformance.harness.local import Cotangents
from conformance.judging.subject import Subject

THERE = ", in new instances, too"


class OfNewInstances(Subject):
    """The same target, of which each call is made of a new instance: nothing is kept of another one.

    used  whether the instance has answered a call
    """

    used = True

    def restart(self) -> None:
        """A new instance of the target; raises Failure if it cannot be built."""
        super().restart()
        self.used = False

    def make(self, do: str, case: Any, cotangents: Cotangents, in_place: bool | None = None) -> Answer:
        """Makes a call of an instance that has answered none; raises Failure if no other can be built, too."""
        if self.used:
            reader = self.reader  # how shapes are misread is a habit of each instance
            self.restart()
            self.reader = reader
        self.used = True
        return super().make(do, case, cotangents, in_place)


def said_of_new_instances(finding: Finding) -> Finding:
    """What was found of new instances, as said beside what is kept: it is no name, since others answer otherwise."""
    fault = finding.fault if finding.fault_class == MEASURED else "measured.partly"
    return replace(
        finding, fault=fault, fault_class=MEASURED, title=finding.title + THERE,
        hint=finding.hint and finding.hint + THERE,
    )  # fmt: skip
