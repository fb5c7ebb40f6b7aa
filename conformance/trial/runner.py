"""The one loop of a trial: events come in from a driver, go out to whoever listens, and end in a verdict.

Command line, pytest and Python all go through it; they differ in where the events come from, and in who listens.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from math import inf
from typing import Any

from conformance.claims.capabilities import Capabilities
from conformance.diagnosis.blame import blame
from conformance.diagnosis.diagnosis import diagnose
from conformance.diagnosis.recurrent import diagnose_recurrences
from conformance.events import Diagnosing, Diagnosis, Event, FailureFound, Finished, Judged, PropertyResult, Started
from conformance.harness.answer import DEATHS
from conformance.harness.child import said
from conformance.harness.load import OutOfTime, Target, TargetError, open_target
from conformance.harness.process import ProcessTarget
from conformance.judging.counterexample import call_lines
from conformance.judging.judge import unjudged
from conformance.judging.minimise import right_in_new_process
from conformance.judging.properties import Property
from conformance.judging.serialisation import counterexample_from_data, counterexample_to_data
from reference_rnn import CellError

from .counterexamples import confirm_all, wrong_alone
from .expectations import apply, name_mistakes
from .gc_tuning import collected_seldom
from .interrupts import Interrupted, Interrupts, needs_an_alarm, noted
from .options import Options, Revision, UsageError
from .plan import Catalogue, Plan
from .revision import commit_of, judged_at
from .serial_runner import judged_here, open_for_trial
from .source_location import SourcePlace, place_of
from .verdict import Report
from .worker_pool import cores, judged_by_processes

LOADED = "it was loaded"
DIAGNOSIS_CALL = 2.0  # seconds for one call; who takes longer is not diagnosed


def trial(target: Any, options: Options, catalogue: Catalogue) -> Iterator[Event]:
    """Judges a target: in this process, in a child of it, or in children of several.

    target: a name, or an object, which can be judged in this process only
    Raises UsageError for options that name what does not exist or fit, TargetError if the target cannot be loaded or
    built, or not within its time limit, Interrupted if another signal came before it was.
    """
    plan = make_plan(target, options, catalogue)
    workers = min(options.workers or cores(), len(plan.properties))
    place = place_of(target)
    with noted(options.time_limit) as interrupts, collected_seldom(), contextlib.ExitStack() as before:
        if isinstance(options.baseline, Revision):
            with within_time_limit(f"{options.baseline} was judged"), interrupts.armed():
                there = before.enter_context(judged_at(options.baseline, target, options, catalogue, trial))
            plan = replace(plan, baseline=there)
        if options.in_process or workers == 1:
            with within_time_limit(LOADED), interrupts.armed():
                held = open_for_trial(target, plan)
            reopen = partial(reopen_target, target, plan, held if options.in_process else None)
            name = target if isinstance(target, str) else held.name
            with stopping(held):
                events = judged_here(name, held, plan, interrupts)
                yield from conclude(plan, name, events, reopen, interrupts, place)
        else:
            events = judged_by_processes(target, plan, workers, interrupts)
            yield from conclude(plan, target, events, partial(reopen_target, target, plan), interrupts, place)


def make_plan(target: Any, options: Options, catalogue: Catalogue) -> Plan:
    """The plan of a trial, before anything of the target is loaded. Raises UsageError as ``trial`` does."""
    needs_an_alarm(options.time_limit)
    if not options.in_process and not isinstance(target, str):
        raise UsageError(f"{target!r} is an object of this process: leave out in_process=False, or give its name")
    if isinstance(options.baseline, Revision):
        commit_of(options.baseline, target)
    return Plan.of(options, catalogue).with_stored_baseline(target)


@contextlib.contextmanager
def within_time_limit(doing: str) -> Iterator[None]:
    """A block without which there is no verdict: raises TargetError where the time limit strikes in it."""
    try:
        yield
    except Interrupted as interruption:
        if interruption.out_of_time:
            raise too_late(interruption, doing) from None
        raise


def too_late(limit: Interrupted, doing: str) -> OutOfTime:
    """The message that a limit struck before there was anything to judge."""
    return OutOfTime(f"{limit} was over while {doing}")


@contextlib.contextmanager
def stopping(target: Target) -> Iterator[Target]:
    """The target, whose process ends with the block."""
    try:
        yield target
    finally:
        target.stop()


def reopen_target(target: Any, plan: Plan, held: Target | None = None) -> Target:
    """The target once more, for the diagnosis: by its name in a child process, where instances share nothing.

    held: the one of this process, which an object remains, and a name that stands for nothing in a child.
    Raises TargetError if there is none.
    """
    limits = replace(plan.limits, call=min(plan.limits.call, DIAGNOSIS_CALL))
    try:
        return held if held and not isinstance(target, str) else open_target(target, limits=limits)
    except TargetError:
        if held is None:
            raise
        return held


def conclude(
    plan: Plan, name: str, events: Iterable[Event], reopen: Callable[[], Target], interrupts: Interrupts,
    place: SourcePlace | None = None,
) -> Iterator[Event]:  # fmt: skip
    """The events of judging as they come; then the diagnosis and the report that follow from them.

    reopen: the target for the diagnosis; it is stopped afterwards.  place: where its text begins
    Raises TargetError if the time limit struck before the target was loaded.
    """
    progress = Progress(plan)
    baseline = plan.baseline
    try:
        for event in events:
            progress.take(event)
            if not (isinstance(event, FailureFound) and plan.expects(event)):
                yield event
    except Interrupted as interruption:
        if progress.start is None and interruption.out_of_time:
            raise too_late(interruption, LOADED) from None
        progress.interruption = interruption
    results, diagnosis, alone = progress.results(), None, list[str]()
    missed = apply(plan.expected, results)
    try:
        if progress.interruption is None and any(result.status == "failed" for result in results):
            yield Diagnosing("a new process judges what failed")
        if progress.interruption is None:
            with interrupts.armed(), progress.noting("counterexamples were not confirmed by another process"):
                confirm(plan, name, results)
        if progress.interruption is None:
            with interrupts.armed(), progress.noting("what fails without a call before was not asked again"):
                alone = fails_alone(plan, name, results)
        if progress.may_be_diagnosed(results):
            yield Diagnosing("the target is asked once more")
            with interrupts.armed():
                diagnosis = explain(plan, reopen, results, progress.seconds_left(), progress.notes)
    except Interrupted as interruption:
        progress.interruption = interruption
    for result in results:
        result.others = [{name: value for name, value in one.items() if name != "found"} for one in result.others]
    progress.note_the_end(results, diagnosis)
    if diagnosis:
        progress.notes += name_mistakes(plan.expected, results, diagnosis)
    if baseline:
        baseline.apply(results, diagnosis, plan.options.strict)
    options, claims = plan.options, progress.claims
    report = Report.of(
        name, claims, results, options.profile, options.seed, options.require, diagnosis, missed, options.strict,
        budget=options.budget, interruption=progress.told(results), notes=progress.notes,
        narrower=baseline.narrower(claims) if baseline and progress.start else (),
    )  # fmt: skip
    if baseline:
        report.baseline, report.mended = baseline.name, baseline.mended(results)
    report.reasons += progress.reasons
    report.asked = list(options.properties)
    report.verbose = options.verbose
    report.left, report.alone = [id for id in plan.properties if id not in progress.found], alone
    came = progress.interruption
    report.interrupted, report.place = str(came) if came and not came.out_of_time else "", place
    report.cut = bool(came and came.out_of_time and progress.has_left(results, diagnosis))
    report.configuration = None if options.configuration is None else str(options.configuration)
    yield Finished(report)


def confirm(plan: Plan, name: str, results: Sequence[PropertyResult]) -> None:
    """Has a fresh process judge the counterexamples: each is then what such a process needs, shown or saved.

    They stay as they are where no such process can be had.
    """
    failed = [result for result in results if result.status == "failed" and result.found]
    for result in failed:
        if result.silent and result.kind in DEATHS:  # each call had a process of its own, and may take long
            result.found = {**(result.found or {}), "repeatable": True}
    shown = [vars(result) for result in failed] + [other for result in failed for other in result.others]
    found = [counterexample_from_data({**one["found"], "target": name}) for one in shown]
    with contextlib.suppress(TargetError):
        for one, now in zip(shown, confirm_all(name, found, plan.properties, plan.limits)):
            text = "\n".join(call_lines(now))
            one.update(message=now.message, counterexample=text, found=counterexample_to_data(now))


def fails_alone(plan: Plan, name: str, results: Sequence[PropertyResult]) -> list[str]:
    """The properties about history that fail on one call, which a fresh process makes first and wrongly too.

    Such a failure says nothing about history, whatever a process keeps. None where no such process can be had.
    """
    failed = [
        result for result in results
        if result.status == "failed" and result.found and plan.properties[result.id].about_history
    ]  # fmt: skip
    found = [counterexample_from_data({**(result.found or {}), "target": name}) for result in failed]
    if plan.options.in_process:
        return []
    with contextlib.suppress(TargetError):
        alone = {one.property: wrong_alone(name, one, plan.limits) for one in found}
        for result in failed:
            if alone[result.id] is False:
                result.message = right_in_new_process(result.message)
        return [id for id, wrong in alone.items() if wrong]
    return []


class Progress:
    """What is known of a trial so far."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.began = time.monotonic()
        self.found: dict[str, PropertyResult] = {}
        self.start: Started | None = None
        self.interruption: Interrupted | None = None
        self.notes: list[str] = list(plan.names.said)
        self.reasons: list[str] = []

    @contextlib.contextmanager
    def noting(self, undone: str) -> Iterator[None]:
        """A block that may fail, by a mistake of the kit, at no cost to the verdict: then what is undone is noted."""
        try:
            yield
        except Interrupted:
            raise
        except Exception as error:
            self.notes.append(f"{undone}, for a mistake of this kit: {said(error)}")

    def take(self, event: Event) -> None:
        """Notes what an event says; a failure that is found counts, whatever becomes of its counterexample."""
        if isinstance(event, Started):
            self.start = event
            Capabilities.of(event.capabilities)  # after which own cells are known here
        elif isinstance(event, (FailureFound, Judged)):
            self.found[event.result.id] = event.result

    @property
    def claims(self) -> Capabilities:
        """What the target claims; the defaults for one that was interrupted while it was loaded."""
        return Capabilities.of(self.start.capabilities if self.start else None)

    def results(self) -> list[PropertyResult]:
        """The results in the order of reports; what was not judged, or not to be judged, is not_run or not_claimed."""
        judged = dict(self.found)
        message = "not judged before the trial was interrupted"
        if silent := self.plan.silent(judged):
            ranked = self.plan.strongest_first
            judged = {id: judged[id] for id in ranked[: ranked.index(silent[-1]) + 1]}
            message = f"no call returned in {' and '.join(silent)}"
        if self.plan.options.stop_on_first:
            ranked = self.plan.strongest_first
            stops = [id in judged and self.plan.stops(Judged(judged[id])) for id in ranked]
            first = stops.index(True) if True in stops else None
            if first is not None:
                judged = {id: judged[id] for id in ranked[: first + 1] if id in judged}
                message = "not judged after the first failure"
        return [judged.get(id) or self.left(prop, message) for id, prop in self.plan.properties.items()]

    def left(self, prop: Property, message: str) -> PropertyResult:
        """A property that was not reached; whether it is claimed is known all the same, once the target is loaded."""
        status, why = self.unjudged(prop) or ("not_run", message)
        return PropertyResult(prop.id, status, prop.statement, message=why)

    def unjudged(self, prop: Property) -> tuple[str, str] | None:
        """The status of a property that says nothing about the target, and why; None also where that is not known."""
        return unjudged(prop, self.claims, self.start.observes_memory) if self.start else None

    def told(self, results: list[PropertyResult]) -> str:
        """Where judging was interrupted, in words; empty if nothing was left to judge."""
        asked = [r for r in results if r.status != "not_claimed" and not self.unjudged(self.plan.properties[r.id])]
        left = sum(result.id not in self.found for result in asked)
        if self.interruption is None or not left:
            return ""
        return f"interrupted by {self.interruption}: {left} of {len(asked)} properties were not judged"

    def note_the_end(self, results: list[PropertyResult], diagnosis: Diagnosis | None) -> None:
        """Says what was interrupted when everything had been judged, if anything was."""
        if self.interruption is None or self.told(results):
            return
        if self.has_left(results, diagnosis):
            ended = f"the search for the mistake was interrupted by {self.interruption}"
            self.reasons.append(f"the verdict is complete, but {ended}")
        else:
            self.notes.append(f"interrupted by {self.interruption} when everything had been judged")

    def has_left(self, results: list[PropertyResult], diagnosis: Diagnosis | None) -> bool:
        """Whether an interruption left anything to be judged, or to be diagnosed."""
        return bool(self.told(results)) or (diagnosis is None and self.is_to_be_diagnosed(results))

    def is_to_be_diagnosed(self, results: list[PropertyResult]) -> bool:
        """Whether there is something to diagnose."""
        failed = any(result.status == "failed" and result.kind not in DEATHS for result in results)
        return failed and self.plan.options.diagnosis

    def may_be_diagnosed(self, results: list[PropertyResult]) -> bool:
        """Whether there is something to diagnose, and time for it."""
        if self.interruption or not self.is_to_be_diagnosed(results):
            return False
        if self.seconds_left() <= 0:
            self.notes.append("the budget left no time for a diagnosis")
        return self.seconds_left() > 0

    def seconds_left(self) -> float:
        """The time for the diagnosis."""
        budget = self.plan.options.budget
        return inf if budget is None else self.began + budget - time.monotonic()


def explain(
    plan: Plan, reopen: Callable[[], Target], results: list[PropertyResult], seconds: float, notes: list[str]
) -> Diagnosis | None:  # fmt: skip
    """Why a target fails, or which stage of a chain does; whatever goes wrong here, the verdict stands.

    notes: gets what is to be said of a target of this process
    """
    failed = [result for result in results if result.status == "failed"]
    passed = [result.id for result in results if result.status == "passed"]
    expected = [result for result in results if result.status == "expected_failure"]
    try:
        with stopping(reopen()) as target:
            if plan.options.in_process and isinstance(target, ProcessTarget):
                notes.append("the diagnosis asked the target in a child process, where instances share nothing")
            elif plan.options.in_process and any(plan.properties[result.id].about_history for result in failed):
                notes.append(
                    "whether instances of an object share something cannot be asked; put it into a file: "
                    "rnn-conformance check FILE.py:NAME"
                )
            if target.capabilities.recurrences:
                return diagnose_recurrences(target, seconds)
            if target.stages:
                return blame(target.stages, failed, plan.limits)
            return diagnose(target, plan.properties, failed, passed, expected, seconds)
    except CellError as error:
        return Diagnosis([], [str(error)])
    except Exception as error:
        return Diagnosis([], [f"the diagnosis itself failed, by a mistake of this kit: {said(error)}"])
