"""Properties as pytest items: ``pytest --pyargs conformance --rnn TARGET -n auto``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from conformance.engine.check import UsageError, explain, known
from conformance.engine.profiles import PROFILES
from conformance.engine.run import PropertyResult, judge
from conformance.faults.diagnosis import Diagnosis
from conformance.properties import Property, catalogue
from conformance.report import terminal
from conformance.report.model import Report
from conformance.target.capabilities import Capabilities
from conformance.target.load import Target, TargetError, open_target

HOME = Path(__file__).parent


class PropertyFailed(Exception):
    """A property does not hold; pytest shows its result, not a traceback."""


class Plugin:
    """Collects the chapters, judges one property an item, and sums up."""

    def __init__(self, config: pytest.Config, target: str) -> None:
        self.name = target
        self.profile = config.getoption("rnn_profile") or config.getini("rnn_profile")
        self.seed = config.getoption("rnn_seed")
        self.json_file = config.getoption("rnn_json")
        self.target: Target | None = None
        self.judged: list[dict[str, Any]] = []
        self.refusal: str | None = None
        self.reasons: Diagnosis | None = None
        try:
            known("profile", self.profile, PROFILES)
        except UsageError as error:
            raise pytest.UsageError(str(error)) from None

    def pytest_collect_file(self, file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
        """Our chapters, whatever ``python_files`` says."""
        if file_path.parent == HOME and file_path.name.startswith("test_"):
            return Chapter.from_parent(parent, path=file_path)
        return None

    def open(self) -> Target:
        """The target, held by a child of this process."""
        if self.target is None:
            self.target = open_target(self.name)
        return self.target

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Gathers results, also those that come from other processes."""
        if report.when == "call" and hasattr(report, "rnn_judged"):
            self.judged.append(report.rnn_judged)
        self.refusal = getattr(report, "rnn_refusal", self.refusal)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Any:
        """Lets a result travel with its item's report."""
        report = yield
        if isinstance(item, PropertyItem):
            for name in ("rnn_judged", "rnn_refusal"):
                if hasattr(item, name):
                    setattr(report, name, getattr(item, name))
        return report

    def report(self) -> Report | None:
        """The verdict so far; None if nothing was judged."""
        if not self.judged:
            return None
        order = list(catalogue())
        results = sorted((PropertyResult(**j["result"]) for j in self.judged), key=lambda r: order.index(r.id))
        capabilities = Capabilities.of(self.judged[0]["capabilities"])
        return Report.of(self.name, capabilities, results, self.profile, self.seed, diagnosis=self.diagnosis(results))

    def diagnosis(self, results: list[PropertyResult]) -> Diagnosis | None:
        """Why the target fails, if it does; looked for once."""
        if self.reasons is None and any(result.status == "failed" for result in results):
            self.reasons = explain(self.open(), results)
        return self.reasons

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """The exit status: 0 conforms, 1 does not, 2 could not tell; other tests that failed also give 1."""
        if self.target:
            self.target.stop()
        if hasattr(session.config, "workerinput") or exitstatus not in (0, 1, 5):
            return
        report = self.report()
        others_failed = exitstatus == 1 and not self.refusal and report and report.verdict != "fails"
        session.exitstatus = 2 if report is None else 1 if others_failed else report.status
        if report and self.json_file:
            Path(self.json_file).write_text(report.to_json() + "\n")

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """The report, as the command line shows it."""
        terminalreporter.section("rnn-conformance")
        report = self.report()
        if self.refusal or report is None:
            advice = self.refusal or "no property was judged: name them with --pyargs conformance"
            terminalreporter.write_line(advice)
        else:
            terminal.show(report, Console(file=terminalreporter._tw._file, highlight=False))


class Chapter(pytest.File):
    """One chapter of properties."""

    def collect(self) -> Any:
        """An item for each property."""
        chapter = self.path.stem.removeprefix("test_")
        for prop in catalogue().values():
            if prop.id.partition(".")[0] == chapter:
                yield PropertyItem.from_parent(self, name=prop.id.partition(".")[2], prop=prop)


class PropertyItem(pytest.Item):
    """One property, judged on one target."""

    def __init__(self, *, prop: Property, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.prop = prop

    def runtest(self) -> None:
        """Judges the property."""
        plugin = self.config.pluginmanager.getplugin("rnn-conformance")
        try:
            target = plugin.open()
        except TargetError as error:
            self.rnn_refusal = str(error)
            self.session.shouldstop = str(error)
            raise PropertyFailed(str(error)) from None
        result = judge(self.prop, target, plugin.profile, plugin.seed)
        self.rnn_judged = {"result": vars(result), "capabilities": target.capabilities.as_dict()}
        if result.status == "failed":
            raise PropertyFailed("\n".join([self.prop.statement, *terminal.details(result)]))
        if result.status != "passed":
            pytest.skip(f"{result.status.replace('_', ' ')}: {result.message}")

    def repr_failure(self, excinfo: Any, style: Any = None) -> Any:
        """What is wrong with the target, and no traceback of ours."""
        if isinstance(excinfo.value, PropertyFailed):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        """What pytest calls the item."""
        return self.path, 0, self.prop.id
