"""Properties as pytest items: ``pytest --pyargs conformance --rnn TARGET -n auto``.

Each item judges one property, here or in a process of pytest-xdist; its events travel with its report. Where all
reports come together, they go through the one loop of a trial like those of the command line.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from conformance.chapters import catalogue
from conformance.events import Event, Judged, from_data, to_data
from conformance.harness.load import Target, TargetError
from conformance.harness.text import visible_line, visible_lines
from conformance.judging.properties import Property
from conformance.report.counterexample_files import Keeper
from conformance.report.listening import Writer, listen
from conformance.report.report_files import Files
from conformance.report.report_set import Unjudged
from conformance.report.terminal import console, failure_details, show
from conformance.trial.configuration import find_configuration
from conformance.trial.interrupts import (
    ALARM,
    SIGNALS,
    Interrupted,
    Interrupts,
    alarm_in,
    needs_an_alarm,
    noted,
)
from conformance.trial.options import Revision, UsageError
from conformance.trial.plan import Plan
from conformance.trial.runner import conclude, reopen_target
from conformance.trial.serial_runner import judged_here, open_for_trial
from conformance.trial.source_location import place_of
from conformance.trial.verdict import Report

HOME = Path(__file__).parent


class PropertyFailed(Exception):
    """A property does not hold; pytest shows its result, not a traceback."""

    def __init__(self, message: str) -> None:
        super().__init__(visible_lines(message))


class Plugin:
    """Collects the chapters, judges one property an item, and sums up."""

    def __init__(self, config: pytest.Config, target: str, options: dict[str, Any]) -> None:
        self.config = config
        self.target: Target | None = None
        self.refusal: str | None = None
        self.collected: set[str] = set()
        self.events: list[Event] = []
        self.unreported: list[Event] = []  # of the item that is judged here now
        self.others_failed = False
        self.interruption: Interrupted | None = None
        self.handled: list[int] = []
        self.report: Report | None = None
        try:
            job = find_configuration(Path.cwd()).job(target, options)
            by_pytest = {
                "stop_on_first": config.getoption("maxfail", 0) == 1, "workers": None,
                "verbose": config.getoption("verbose", 0) > 0,
            }  # fmt: skip
            self.name, chosen = job.target, replace(job.options, **by_pytest)
            self.plan = Plan.of(chosen, catalogue).with_stored_baseline(self.name)
            if isinstance(chosen.baseline, Revision):
                raise UsageError(f"baseline: pytest takes a stored report, not {chosen.baseline}")
        except UsageError as error:
            raise pytest.UsageError(str(error)) from None
        self.files = Files(chosen)
        self.writers: list[Writer] = [Keeper(chosen), self.files]

    # ------------------------------------------------------------ collecting

    def pytest_collect_file(self, file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
        """Our chapters, whatever ``python_files`` says."""
        if file_path.parent == HOME and file_path.name.startswith("test_"):
            # an id that can be given to pytest again, wherever it is: pytest --pyargs conformance.test_time::split
            return Chapter.from_parent(parent, path=file_path, nodeid=f"{HOME.name}.{file_path.stem}")
        return None

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Whoever stops at the first failure asks first what finds most."""
        if self.plan.options.stop_on_first:
            order = self.plan.strongest_first
            items.sort(key=lambda item: order.index(item.prop.id) if isinstance(item, PropertyItem) else -1)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Notes which properties are to be judged."""
        self.collected |= {item.prop.id for item in session.items if isinstance(item, PropertyItem)}

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: list[str]) -> None:
        """The same in the main process of pytest-xdist, which collects nothing itself."""
        names = {f"{HOME.name}.test_{id.replace('.', '::')}": id for id in self.plan.properties}
        self.collected |= {names[id] for id in ids if id in names}

    # ------------------------------------------------------------ judging

    def open(self) -> Target:
        """The target, loaded once in this process; raises TargetError, the same each time."""
        if self.refusal:
            raise TargetError(self.refusal)
        if self.target is None:
            try:
                self.target = open_for_trial(self.name, self.plan)
            except TargetError as error:
                self.refusal = str(error)
                raise
        return self.target

    def judged(self, prop: Property) -> Iterator[Event]:
        """The events of judging one property."""
        target = self.open()
        workers = getattr(self.config, "workerinput", {}).get("workercount", 1)
        plan = replace(self.plan, properties={prop.id: prop}, shares=len(self.plan.properties) / workers)
        self.unreported = []
        for event in judged_here(self.name, target, plan, Interrupts()):
            self.unreported.append(event)
            yield event

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Any:
        """Lets events travel with the report of their item."""
        report = yield
        if isinstance(item, PropertyItem):
            report.rnn_events = [to_data(event) for event in item.events]
            report.rnn_refusal = self.refusal
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Gathers events, also those that come from other processes."""
        if not hasattr(report, "rnn_events"):
            self.others_failed |= report.failed
        elif report.when == "call":
            self.events += map(from_data, report.rnn_events)
            self.unreported = []
            self.refusal = self.refusal or report.rnn_refusal

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A file that could not be collected is no success either."""
        self.others_failed |= report.failed

    def pytest_sessionstart(self) -> None:
        """Other requests to end are like Ctrl-C, which pytest knows. Raises pytest's UsageError without an alarm."""
        if hasattr(self.config, "workerinput"):
            return
        limit = self.plan.options.time_limit
        try:
            needs_an_alarm(limit)
        except UsageError as error:
            raise pytest.UsageError(str(error)) from None
        if threading.current_thread() is not threading.main_thread():
            return
        for number in set(SIGNALS) - ({signal.SIGINT} if limit else {signal.SIGINT, ALARM}):
            if signal.getsignal(number) is signal.SIG_DFL:
                signal.signal(number, self.interrupt)
                self.handled.append(number)
        if limit is not None:
            alarm_in(limit)

    def pytest_unconfigure(self) -> None:
        """The signals mean again what they meant before."""
        self.no_alarm()
        for number in self.handled:
            signal.signal(number, signal.SIG_DFL)

    def no_alarm(self) -> None:
        """The time limit is over, or matters no more."""
        if ALARM in self.handled:
            alarm_in(0)

    def interrupt(self, number: int, _frame: Any) -> None:
        """Ends the run, once."""
        if self.interruption is None:
            self.interruption = Interrupted(number)
            raise KeyboardInterrupt

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """The run was interrupted; what was judged until then counts."""
        if excinfo.type is KeyboardInterrupt:
            self.interruption = self.interruption or Interrupted(signal.SIGINT)

    # ------------------------------------------------------------ summing up

    def gathered(self, interrupts: Interrupts) -> Iterator[Event]:
        """The events of all items; after a first failure, also those of stronger properties that pytest left out."""
        yield from (*self.events, *self.unreported)
        if self.interruption:
            raise self.interruption
        if left := self.left_out():
            with contextlib.suppress(TargetError):  # the failure stands, whether or not it loads once more
                yield from judged_here(self.name, self.open(), self.plan.only(left), interrupts)

    def left_out(self) -> list[str]:
        """The properties stronger than the first failure that were not judged, since pytest stopped there."""
        judged = {event.result.id: self.plan.stops(event) for event in self.events if isinstance(event, Judged)}
        ranked = [id for id in self.plan.strongest_first if id in self.collected]
        first = next((number for number, id in enumerate(ranked) if judged.get(id)), 0)
        return [id for id in ranked[:first] if id not in judged]

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """The exit status: 0 conforms, 1 does not, 2 could not tell; other tests that failed also give 1."""
        try:
            sums_up = not hasattr(self.config, "workerinput") and not self.config.option.collectonly
            if sums_up and exitstatus in (0, 1, 2, 5):
                others = session.exitstatus if session.exitstatus != exitstatus else 0  # as other plugins say
                session.exitstatus = self.concluded() or others or int(exitstatus == 1)
        finally:
            if self.target:
                self.target.stop()

    def concluded(self) -> int:
        """Makes the report, and writes what is to be written; the exit status that follows."""
        if not self.refusal and self.collected and (self.events or self.interruption):
            self.sum_up()
        if self.refusal:
            self.files.refused(Unjudged(self.name, self.refusal))
        if self.report is None:
            return 2
        if self.others_failed:
            return 1
        return self.report.status or (2 if self.files.losses else 0)

    def sum_up(self) -> None:
        """Makes the report; what interrupts that is noted in it. A refusal, if the time limit left nothing to judge."""
        plan = self.plan.only(self.collected)
        reopen = partial(reopen_target, self.name, plan)
        try:
            with noted(like_ours=[self.interrupt]) as interrupts:
                events = self.gathered(interrupts)
                all_of_it = conclude(plan, self.name, events, reopen, interrupts, place_of(self.name))
                self.report = listen(all_of_it, self.writers)
                self.no_alarm()
        except TargetError as error:
            self.refusal = str(error)

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """The report, as the command line shows it."""
        if self.config.option.collectonly:
            return
        terminalreporter.section("rnn-conformance")
        if self.report is None:
            advice = self.refusal or "no property was judged: name them with --pyargs conformance"
            terminalreporter.write_line(visible_line(advice))
        else:
            show(self.report, console(file=terminalreporter._tw._file), self.writers)


class Chapter(pytest.File):
    """One chapter of properties."""

    def collect(self) -> Any:
        """An item for each property that is asked for."""
        plugin = self.config.pluginmanager.getplugin("rnn-conformance")
        chapter = self.path.stem.removeprefix("test_")
        for prop in plugin.plan.properties.values():
            if prop.id.partition(".")[0] == chapter:
                yield PropertyItem.from_parent(self, name=prop.id.partition(".")[2], prop=prop)


class PropertyItem(pytest.Item):
    """One property, judged on one target."""

    def __init__(self, *, prop: Property, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.prop = prop
        self.events: list[Event] = []

    def runtest(self) -> None:
        """Judges the property."""
        plugin = self.config.pluginmanager.getplugin("rnn-conformance")
        try:
            self.events += plugin.judged(self.prop)
        except TargetError as error:
            self.session.shouldstop = str(error)
            raise PropertyFailed(str(error)) from None
        result = next(event.result for event in self.events if isinstance(event, Judged))
        if result.status == "failed" and plugin.plan.expects(Judged(result)):
            pytest.xfail(visible_line(f"expected: {result.message}"))
        if result.status == "failed":
            raise PropertyFailed("\n".join([self.prop.statement, *failure_details(result)]))
        if result.status != "passed":
            pytest.skip(visible_line(f"{result.status.replace('_', ' ')}: {result.message}"))

    def repr_failure(self, excinfo: Any, style: Any = None) -> Any:
        """What is wrong with the target, and no traceback of ours."""
        if isinstance(excinfo.value, PropertyFailed):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        """What pytest calls the item."""
        return self.path, 0, self.prop.id
