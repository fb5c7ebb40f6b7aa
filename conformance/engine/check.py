"""All properties of one target, one after another in this process."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from conformance.faults.diagnosis import Diagnosis, diagnose
from conformance.properties import Property, catalogue
from conformance.report import terminal
from conformance.report.model import Report
from conformance.target.child import said
from conformance.target.load import Target, open_target
from conformance.target.process import Limits

from .profiles import PROFILES
from .run import DEATHS, PropertyResult, judge

FIRST = (
    "equivalence.steps", "shapes.shapes", "gradients.shapes", "gradients.back_propagation", "lengths.padding_is_zero",
    "shapes.repeatable", "dropout.mask", "nonfinite.propagation", "shapes.default_state", "shapes.batch_first",
    "shapes.calls_are_independent", "shapes.memory_layout", "dropout.off_in_evaluation", "options.together",
    "lengths.padded_row_is_row_alone", "shapes.inputs_untouched", "gradients.dropout", "gradients.unbatched",
    "gradients.default_state", "gradients.memory_layout", "shapes.unbatched", "symmetries.scale",
)  # fmt: skip


class UsageError(ValueError):
    """Something was asked for that does not exist; the message lists what does."""


def check(
    target: Any,
    profile: str = "quick",
    seed: int = 0,
    stop_on_first: bool = False,
    *,
    properties: str | Collection[str] = (),
    budget: float | None = None,
    in_process: bool = True,
    diagnosis: bool = True,
    limits: Limits | None = None,
    progress: Callable[[PropertyResult], None] = lambda result: None,
) -> Report:
    """Does a target conform?

    target: a file, ``package.module``, ``file.py:name``, a shipped name, a class, a function, an object
    properties: ids or chapters; all if empty.  budget: seconds for random cases in all
    in_process: False holds the target in a child process, within limits of time and memory
    diagnosis: whether a target that fails is also compared with the faulty references, which takes up to 5 s

    Raises TargetError if the target cannot be loaded, UsageError for an unknown profile or property.
    """
    chosen = choose([properties] if isinstance(properties, str) else properties)
    known("profile", profile, PROFILES)
    opened = open_target(target, in_process=in_process, limits=limits)
    results = []
    try:
        for prop in sorted(chosen, key=quickest) if stop_on_first else chosen:
            results.append(judge(prop, opened, profile, seed, budget and budget / len(chosen)))
            progress(results[-1])
            if stop_on_first and results[-1].status == "failed":
                break
        reasons = explain(opened, results) if diagnosis else None
    finally:
        opened.stop()
    return Report.of(opened.name, opened.capabilities, results, profile, seed, diagnosis=reasons)


def explain(
    target: Target, results: Collection[PropertyResult], progress: Callable[[str], None] = lambda text: None
) -> Diagnosis | None:
    """The diagnosis of a target that fails; None for one that does not, or of which nothing but deaths is known."""
    failed = [result for result in results if result.status == "failed"]
    passed = [result.id for result in results if result.status == "passed"]
    if not failed or all(result.kind in DEATHS for result in failed):
        return None
    try:
        return diagnose(target, failed, passed, progress=progress)
    except Exception as error:  # a verdict never depends on its explanation
        return Diagnosis([], [f"the diagnosis itself failed, by a mistake of this kit: {said(error)}"])


def quickest(prop: Property) -> int:
    """Where a property stands if one failure is enough: first those that find most mistakes soonest."""
    return FIRST.index(prop.id) if prop.id in FIRST else len(FIRST)


def assert_conforms(target: Any, profile: str = "quick", seed: int = 0, **options: Any) -> None:
    """Raises AssertionError with the report, unless the target conforms; for tests. Options are those of ``check``."""
    report = check(target, profile, seed, **options)
    if report.verdict != "conforms":
        raise AssertionError("\n".join(line for _, line in terminal.styled(report)))


def choose(ids: Collection[str]) -> list[Property]:
    """The properties with these ids or in these chapters, in their order; all if none is named."""
    everything = catalogue()
    chapters = dict.fromkeys(id.partition(".")[0] for id in everything)
    for name in ids:
        known("property", name, [*chapters, *everything])
    return [p for id, p in everything.items() if not ids or id in ids or id.partition(".")[0] in ids]


def known(kind: str, name: str, names: Collection[str]) -> None:
    """Raises UsageError unless the name is one of the known ones."""
    if name not in names:
        raise UsageError(f"there is no {kind} {name!r}; there are {', '.join(names)}")
