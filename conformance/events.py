"""What happens in a trial, as data: every event can be sent to another process, and written as JSON."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass, field
from typing import Any

STATUSES = ("passed", "failed", "inconclusive", "not_claimed", "not_run", "expected_failure")

MEASURED = "measured"  # the class of a finding that is a sentence: experiments on the target show it

STAGE = "stage"  # the class of a finding about the stages of a chain; its fault is "measured.stage"


@dataclass
class PropertyResult:
    """What became of one property.

    status     one of STATUSES;  statement  what it says
    examples   cases that it was judged on, of which so many were random
    counterexample  the calls that show the failure, as expressions;  found  the whole of it as data, as it is saved
    case       what the property was judged on, as plain data
    coverage   how many cases exercised what;  void  how many would have, but verify nothing: rounding explains anything
    verified   of each array, as "h_n of GRU in float32": how many cases verify at least one number of it
    kind       what sort of failure it is;  error  the traceback of a mistake of the kit's own
    others     of a failure by which a call had no answer: what else is wrong on further cases, at most three of
               {kind, message, counterexample}, and until another process has confirmed them {found} as above
    silent     whether no call returned at all;  deaths  how often the target's process ended in which way
    """

    id: str
    status: str
    statement: str = ""
    examples: int = 0
    random: int = 0
    message: str = ""
    counterexample: str | None = None
    case: dict[str, Any] | None = None
    seconds: float = 0.0
    coverage: dict[str, int] = field(default_factory=dict)
    void: dict[str, int] = field(default_factory=dict)
    verified: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    kind: str = ""
    found: dict[str, Any] | None = None
    error: str = ""
    others: list[dict[str, Any]] = field(default_factory=list)
    silent: bool = False
    deaths: dict[str, int] = field(default_factory=dict)


@dataclass
class Finding:
    """A mistake that gives the target's numbers, or (not exact) numbers that are wrong in the same way.

    One that was measured is a sentence, its title: fault is "measured.KIND", fault_class MEASURED. It has a patch
    if it is about a mistake that is made in some calls, and gives the numbers of these, or if the same is measured of
    the reference with this change; then it explains no answers.

    explains, telling  how many of the answers that are wrong it explains, and how many are wrong
    together           other faults that it needs for that
    hint               the title without what is right, where the title says that
    expected           why it is no new one, where that was known before
    """

    fault: str
    title: str
    patch: str
    explains: int
    telling: int
    fault_class: str = ""
    exact: bool = True
    together: list[str] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    hint: str = ""
    expected: str = ""


@dataclass
class Diagnosis:
    """The mistakes that were recognised, and what else is known about what is wrong.

    named      by cell: the changes of the reference that give its numbers, as ``faults.patching.Fault``
    explained  the ids of properties that fail on the same case in the same words where only these changes were made
    alone      by the id of a mistake: the properties that fail by it alone; only where it matters, since several
               mistakes were found, or some properties were expected to fail
    """

    findings: list[Finding]
    known: list[str]
    wrong_cells: list[str] = field(default_factory=list)
    error_map: dict[str, Any] | None = None
    named: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    explained: list[str] = field(default_factory=list)
    alone: dict[str, list[str]] = field(default_factory=dict)

    def expect(self, ids: Collection[str], reason: str) -> None:
        """Marks the mistakes with these ids as known; what is new comes first."""
        for finding in self.findings:
            if finding.fault in ids:
                finding.expected = reason
        self.findings.sort(key=lambda finding: bool(finding.expected))


@dataclass(frozen=True)
class Started:
    """The target is loaded and has been built once: what it claims, and the ids of the properties to be judged.

    observes_memory  whether it can be seen what a call does to memory
    """

    target: str
    capabilities: dict[str, Any]
    properties: list[str]
    observes_memory: bool = True


@dataclass(frozen=True)
class FailureFound:
    """A property does not hold; its counterexample has not been made small yet."""

    result: PropertyResult


@dataclass(frozen=True)
class Judged:
    """A property has been judged."""

    result: PropertyResult


@dataclass(frozen=True)
class Diagnosing:
    """What is done after judging: what failed is judged again, the mistake is looked for."""

    text: str


@dataclass(frozen=True)
class Finished:
    """The trial is over; the report is a ``trial.verdict.Report``."""

    report: Any


Event = Started | FailureFound | Judged | Diagnosing | Finished


def to_data(event: Event) -> dict[str, Any]:
    """An event of judging as plain data."""
    return {"event": type(event).__name__, **asdict(event)}


def from_data(data: dict[str, Any]) -> Event:
    """The event that ``to_data`` described."""
    kinds: dict[str, Any] = {kind.__name__: kind for kind in (Started, FailureFound, Judged, Diagnosing)}
    fields = dict(data)
    kind = kinds[fields.pop("event")]
    if "result" in fields:
        fields["result"] = PropertyResult(**fields["result"])
    return kind(**fields)
