"""The properties in one's own tests: ``@conformance.parametrize(MyRNN)`` makes an item of each.

    @conformance.parametrize(MyRNN)
    def test_my_rnn(check):
        check()

What the items found comes together at the end of the session, in one report with one diagnosis.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Unpack

import pytest

from conformance.chapters import catalogue
from conformance.events import Event, FailureFound, Judged, PropertyResult, Started, from_data, to_data
from conformance.harness.load import Target, TargetError, name_of, open_target
from conformance.harness.text import visible_line, visible_lines
from conformance.report.counterexample_files import Keeper
from conformance.report.listening import Writer, listen
from conformance.report.report_files import Files
from conformance.report.report_set import Unjudged
from conformance.report.terminal import console, failure_details, line, show
from conformance.report.wording import headline
from conformance.trial.interrupts import ALARM, Interrupted, Interrupts, needs_an_alarm, noted
from conformance.trial.options import ItemKeywords, Options, Revision, UsageError
from conformance.trial.plan import Plan
from conformance.trial.runner import LOADED, conclude, reopen_target, within_time_limit
from conformance.trial.serial_runner import judged_here, open_for_trial
from conformance.trial.source_location import place_of
from conformance.trial.verdict import Report

ARGUMENT = "check"
SOON = 0.001  # seconds: what is left where a time limit is over


class PropertyFailed(AssertionError):
    """A property does not hold; the message is what a report says of it."""

    def __init__(self, message: str) -> None:
        super().__init__(visible_lines(message))


class ExpectedFailure(PropertyFailed):
    """A property does not hold, as it is known not to."""


def parametrize(target: Any, **options: Unpack[ItemKeywords]) -> pytest.MarkDecorator:
    """A decorator that makes a test, or a method, an item for each property; its argument ``check`` judges it.

    target: as ``conformance.check`` takes it
    options: those of ``conformance.check`` but for those for which pytest has its own: workers (-n), stop_on_first (-x)
    and verbose (-v)

    ``check()`` raises AssertionError with the report where the property does not hold, and skips what is not claimed.
    Ids are those of the properties. The target is called in this process unless ``in_process=False``. What is expected
    to fail is ``xfail(strict)``, so that ``strict`` is on then; of a chapter that is, one must fail, and others may
    hold. The report, with one diagnosis of all failures, is in pytest's summary. ``time_limit`` is for all items
    together, in each process of pytest; items that it leaves no time for fail. ``forbid`` needs ``in_process=False``.
    Raises UsageError for what cannot be asked, as a time limit where there is no alarm: on Windows, or in another
    thread than the main one.

    >>> import conformance
    >>> @conformance.parametrize("my_rnn.py", seed=3)
    ... def test_my_rnn(check):
    ...     check()
    """
    trial = OwnTrial(target, dict(options))
    items = []
    for id in trial.plan.properties:
        expected = [one for one in trial.plan.expected if id in one.among]
        strict = any(len(one.among) == 1 for one in expected)
        marks = [pytest.mark.xfail(raises=ExpectedFailure, strict=strict, reason=one.reason) for one in expected[:1]]
        items.append(pytest.param(Check(trial, id), id=id, marks=marks))
    return pytest.mark.parametrize(ARGUMENT, items)


class OwnTrial:
    """A target and its options: what the items of one test share."""

    def __init__(self, target: Any, options: dict[str, Any]) -> None:
        for name, instead in (("workers", "-n"), ("stop_on_first", "-x"), ("verbose", "-v")):
            if name in options:
                raise UsageError(f"{name} is pytest's own: leave it out, and say pytest {instead}")
        target = os.fspath(target) if isinstance(target, os.PathLike) else target
        chosen = Options(**{"in_process": True, "strict": "expected_failures" in options, **options})
        if isinstance(chosen.baseline, Revision):
            raise UsageError(f"baseline: pytest takes a stored report, not {chosen.baseline}")
        if not isinstance(target, str):
            if not chosen.in_process:
                raise UsageError(f"{target!r} is an object of this process: leave out in_process=False")
            chosen = chosen.without_saved()
        needs_an_alarm(chosen.time_limit)
        self.asked = target
        self.plan = Plan.of(chosen, catalogue).with_stored_baseline(target)
        self.held: Target | None = None
        self.refusal = ""
        self.told_by = ""  # the property whose item says it
        self.deadline: float | None = None

    @property
    def called(self) -> str:
        """What a target is called that may not even be one."""
        return self.asked if isinstance(self.asked, str) else name_of(self.asked)

    @property
    def name(self) -> str:
        """What reports call the target."""
        return self.asked if isinstance(self.asked, str) else open_target(self.asked).name

    def seconds_left(self) -> float | None:
        """The time that is left, of that which began when this was asked first; None where there is no limit.

        A moment where it is over.
        """
        limit = self.plan.options.time_limit
        if limit is None:
            return None
        if self.deadline is None:
            self.deadline = time.monotonic() + limit
        return max(self.deadline - time.monotonic(), SOON)

    def target(self, interrupts: Interrupts) -> Target:
        """The target; its process is started once. Raises TargetError, the same each time."""
        if self.refusal:
            raise TargetError(self.refusal)
        try:
            with within_time_limit(LOADED), interrupts.armed():
                found = self.held or open_for_trial(self.asked, self.plan)
        except TargetError as error:
            self.refusal = str(error)
            raise
        if not self.plan.options.in_process:
            self.held = found
        return found

    def judged(self, id: str) -> Iterator[Event]:
        """The events of judging one property. Within this process, nothing of the target stays between two tests.

        Raises TargetError if it cannot be loaded, Interrupted if there is no time left.
        """
        shares = len(self.plan.properties) / int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", 1))
        plan = replace(self.plan.only([id]), shares=shares)
        left = self.seconds_left()
        if left == SOON and ALARM is not None and not self.refusal:
            raise Interrupted(ALARM)
        with noted(left, only=() if ALARM is None else (ALARM,)) as interrupts:
            target = self.target(interrupts)
            try:
                yield from judged_here(self.name, target, plan, interrupts)
            finally:
                if self.held is None:
                    target.stop()

    def reopened(self) -> Target:
        """The target once more, for the diagnosis."""
        return reopen_target(self.asked, self.plan) if isinstance(self.asked, str) else open_target(self.asked)

    def stop(self) -> None:
        """Ends the target's process, if it has one."""
        if self.held is not None:
            self.held.stop()
            self.held = None


class Check:
    """What a test calls to judge one property; events: what came of it, None as long as it has not been called."""

    def __init__(self, trial: OwnTrial, id: str) -> None:
        self.trial = trial
        self.id = id
        self.events: list[Event] | None = None

    def __repr__(self) -> str:
        return f"<check of {self.id}>"

    def __call__(self) -> None:
        """Judges the property; raises PropertyFailed with the report where it does not hold."""
        __tracebackhide__ = True
        self.events = []
        try:
            self.events.extend(self.trial.judged(self.id))
        except TargetError as error:
            self.is_refused(str(error))
        except Interrupted as interruption:
            self.is_not_judged(f"interrupted by {interruption}")
        last = self.events[-1]
        assert isinstance(last, FailureFound | Judged)
        tell(self.trial.plan, last.result)

    def is_refused(self, why: str) -> None:
        """Like ``is_not_judged``, but a reason that all items share is said by the first of them; the others skip."""
        __tracebackhide__ = True
        try:
            self.is_not_judged(why)
        except PropertyFailed:
            self.trial.told_by = self.trial.told_by or self.id
            if self.trial.told_by == self.id:
                raise
            pytest.skip(f"not judged: the target could not be loaded, see {self.trial.told_by}")

    def is_not_judged(self, why: str) -> None:
        """Raises PropertyFailed with the reason, which its result has, too; unless a failure had been found already."""
        __tracebackhide__ = True
        assert self.events is not None
        if not (self.events and isinstance(self.events[-1], FailureFound)):
            statement = self.trial.plan.properties[self.id].statement
            self.events.append(Judged(PropertyResult(self.id, "inconclusive", statement, message=why)))
            raise PropertyFailed(f"{self.id} could not be judged: {why}") from None


def tell(plan: Plan, result: PropertyResult) -> None:
    """Ends an item as the result of its property is: raises PropertyFailed, or pytest's way of skipping."""
    __tracebackhide__ = True
    said = "\n".join([f"{result.id}: {result.statement}", *failure_details(result)])
    if any(one.fits(result) for one in plan.expected):
        raise ExpectedFailure(said)
    if result.status == "failed" and plan.expects(Judged(result)):
        pytest.xfail(visible_line(f"expected: {result.message}"))
    if result.status == "failed":
        raise PropertyFailed(said)
    if result.status != "passed":
        pytest.skip(visible_line(f"{result.status.replace('_', ' ')}: {result.message}"))


# ---------------------------------------------------------------- called by the plugin


def check_of(item: pytest.Item) -> Check | None:
    """What an item was given to judge; None for any other item."""
    given = getattr(getattr(item, "callspec", None), "params", {}).get(ARGUMENT)
    return given if isinstance(given, Check) else None


def require_called(check: Check) -> None:
    """Raises PropertyFailed if a test ended well without having judged anything."""
    if check.events is None:
        raise PropertyFailed(f"{check.id} was not judged: the test must call {ARGUMENT}()")


def item_result(check: Check) -> dict[str, Any]:
    """What came of an item, as its report carries it to the main process."""
    return {"id": check.id, "events": [to_data(event) for event in check.events or []]}


class Gathered:
    """What the items of one test found, wherever they ran."""

    def __init__(self) -> None:
        self.events: dict[str, list[Event]] = {}

    def take(self, data: dict[str, Any]) -> None:
        """Notes what came of an item; of several that judge the same property, a failure counts."""
        events = [from_data(one) for one in data["events"]]
        if events and not any(is_failure(event) for event in self.events.get(data["id"], [])):
            self.events[data["id"]] = events

    def concluded(self, trial: OwnTrial, verbose: bool) -> tuple[Report | Unjudged, list[Writer]]:
        """The report on all of it, with the diagnosis, or why the target could not be judged; and what was written."""
        plan = trial.plan.only(self.events)
        plan = replace(plan, options=replace(plan.options, verbose=verbose))
        everything = [event for id in plan.strongest_first for event in self.events[id]]
        files = Files(plan.options)
        if not any(isinstance(event, Started) for event in everything):
            reason = next(event.result.message for event in everything if isinstance(event, Judged))
            refused = Unjudged(trial.called, reason)
            files.refused(refused)
            return refused, [files]
        writers: list[Writer] = [Keeper(plan.options), files]
        with noted(trial.seconds_left()) as interrupts:
            place = place_of(trial.asked)
            events = conclude(plan, trial.name, everything, trial.reopened, interrupts, place)
            return listen(events, writers), writers

    def is_no_success(self, trial: OwnTrial, report: Report | Unjudged, writers: Sequence[Writer]) -> bool:
        """Whether a session may not end well: the target fails, or is not judged, or a verdict on all is not given."""
        if isinstance(report, Unjudged) or any(writer.losses for writer in writers):
            return True
        return report.verdict == "fails" or (report.verdict != "conforms" and self.whole(trial))

    def whole(self, trial: OwnTrial) -> bool:
        """Whether all properties were judged, and none left out by -k, -x or a given id."""
        return self.events.keys() == trial.plan.properties.keys()


def is_failure(event: Event) -> bool:
    """Whether an event is the end of a property that does not hold."""
    return isinstance(event, Judged) and event.result.status == "failed"


def trial_again(session: pytest.Session, test: str) -> OwnTrial | None:
    """The trial of a test that other processes ran, by collecting it here too; None if that does not work."""
    items, count = session.items, session.testscollected
    try:
        found = [check_of(item) for item in session.perform_collect([test])]
    except Exception:
        found = []
    finally:
        session.items, session.testscollected = items, count
    return next((check.trial for check in found if check), None)


def write_summary(reports: Iterable[tuple[str, Report | Unjudged, list[Writer]]], stream: Any) -> None:
    """The reports in pytest's summary: whole where something is wrong, else a line."""
    there = console(file=stream)
    for test, report, writers in reports:
        line(there, test)
        if isinstance(report, Unjudged):
            line(there, f"{report.name} could not be judged: {report.reason}")
            for writer in writers:
                for said in writer.said():
                    line(there, said)
        elif report.verdict == "conforms" and not any(writer.losses for writer in writers):
            line(there, headline(report))
        else:
            show(report, there, writers)
