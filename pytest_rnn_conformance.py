"""The pytest options of rnn-conformance. Nothing else of it is imported unless one asks for a target."""

import importlib.machinery
import importlib.util
import sys
from pathlib import Path

import pytest

HOME = Path(__file__).with_name("conformance")


def loaded(*place):
    """A module of ours, read by its place, which imports nothing of ours."""
    spec = importlib.util.spec_from_file_location(f"_rnn_conformance_{place[-1][:-3]}", HOME.joinpath(*place))
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


OPTIONS = loaded("trial", "options.py")  # in which the options of a trial are declared


def own():
    """The options that pytest does not have itself."""
    return [one for one in OPTIONS.declared_options() if not one.metadata["elsewhere"]]


def pytest_addoption(parser):
    """Declares ``--rnn`` and the options of a trial, each also for the ini file."""
    group = parser.getgroup("rnn-conformance", "conformance of recurrent networks")
    group.addoption("--rnn", metavar="TARGET", help="judge this target: pytest --pyargs conformance --rnn my_rnn.py")
    parser.addini("rnn", "the target to judge; --rnn goes first")
    for one in own():
        name, told = OPTIONS.spelled(one), one.metadata
        if OPTIONS.switch(one):
            how, kind = {"action": "store_true", "default": None}, "bool"
        elif told["many"]:
            how, kind = {"action": "append", "metavar": told["metavar"]}, "args"
        else:
            how, kind = {"metavar": told["metavar"]}, "string"
        group.addoption(f"--rnn-{name}", dest=destination(one), help=told["help"], **how)
        parser.addini(destination(one), f"--rnn-{name}, which goes first", type=kind, default=None)


def destination(one):
    """The name of an option in the ini file."""
    return "rnn_" + OPTIONS.spelled(one).replace("-", "_")


def asked(config):
    """The options of a trial that were given, on the command line before the ini file."""
    given = {}
    for one in own():
        value = config.getoption(destination(one))
        given[OPTIONS.spelled(one)] = config.getini(destination(one)) if value is None else value
    return OPTIONS.values(given)


def pytest_configure(config):
    """Registers the plugin proper, where a target is named."""
    config.pluginmanager.register(OwnTests(), "rnn-conformance-own-tests")
    target = config.getoption("rnn") or config.getini("rnn")
    if not target:
        return
    try:
        require_own_package()
        from conformance.plugin import Plugin
    except ImportError as error:
        raise pytest.UsageError(f"rnn-conformance cannot be used here: {error}") from None
    try:
        config.pluginmanager.register(Plugin(config, target, asked(config)), "rnn-conformance")
    except OPTIONS.UsageError as error:
        raise pytest.UsageError(str(error)) from None


def require_own_package():
    """Raises ImportError if a folder or a file of the user stands where pytest looks for our package.

    The sentence is read by its place, since it is the package that may be hidden.
    """
    found = importlib.machinery.PathFinder.find_spec(HOME.name)
    places = list(found.submodule_search_locations or [found.origin]) if found else []
    if places and Path(places[0]) != HOME:
        raise ImportError(loaded("own_packages.py").HIDDEN.format(place=places[0], package=HOME.name))


def own_tests():
    """What serves ``conformance.parametrize``, once somebody has used it; nothing is imported to know it."""
    found = sys.modules.get("conformance.own_tests")
    return found if getattr(found, "__file__", None) == str(HOME / "own_tests.py") else None


class OwnTests:
    """Brings together what the items of ``conformance.parametrize`` find."""

    def __init__(self):
        self.gathered = {}  # by test
        self.trials = {}  # by test, those of this process
        self.reports = []
        self.advice = []

    @pytest.hookimpl(wrapper=True)
    def pytest_pyfunc_call(self, pyfuncitem):
        """Sees to it that a test with a check calls it."""
        ours = own_tests()
        check = ours.check_of(pyfuncitem) if ours else None
        if check is None:
            return (yield)
        self.trials[pyfuncitem.nodeid.partition("[")[0]] = check.trial
        check.events = None
        result = yield
        ours.require_called(check)
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item, call):
        """Lets what an item found travel with its report."""
        report = yield
        ours = own_tests()
        check = ours.check_of(item) if ours and call.when == "call" else None
        if check:
            report.rnn_own = ours.item_result(check)
        return report

    def pytest_runtest_logreport(self, report):
        """Gathers it, also from other processes."""
        if hasattr(report, "rnn_own"):
            from conformance import own_tests as ours

            test = report.nodeid.partition("[")[0]
            self.gathered.setdefault(test, ours.Gathered()).take(report.rnn_own)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session):
        """Makes a report of each test; one that does not conform fails the session."""
        for trial in self.trials.values():
            trial.stop()
        if hasattr(session.config, "workerinput"):
            return
        for test, gathered in self.gathered.items():
            if gathered.events:
                self.conclude(session, test, gathered)

    def conclude(self, session, test, gathered):
        """Makes the report of one test."""
        from conformance import own_tests as ours

        trial = self.trials.get(test) or ours.trial_again(session, test)
        if trial is None:
            self.advice.append(f"{test}: no report, since it cannot be collected here; run pytest without -n")
            session.exitstatus = session.exitstatus or 1
            return
        report, writers = gathered.concluded(trial, session.config.getoption("verbose", 0) > 0)
        self.reports.append((test, report, writers))
        if gathered.is_no_success(trial, report, writers):
            session.exitstatus = session.exitstatus or 1

    def pytest_terminal_summary(self, terminalreporter):
        """The reports, each with one diagnosis of all failures."""
        if self.reports or self.advice:
            from conformance import own_tests as ours

            terminalreporter.section("rnn-conformance")
            ours.write_summary(self.reports, terminalreporter._tw._file)
            for line in self.advice:
                terminalreporter.write_line(line)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session):
    """Asks for a target where our properties are named without one; pytest alone would collect nothing."""
    config = session.config
    if config.option.pyargs and not config.pluginmanager.hasplugin("rnn-conformance") and any(map(ours, config.args)):
        raise pytest.UsageError(f"{HOME} judges a target; say which: pytest --pyargs conformance --rnn my_rnn.py")


def ours(argument):
    """Whether pytest will find our package or a module of it under this name; nothing is imported to know it."""
    package, *modules = argument.partition("::")[0].split(".")
    place = HOME.joinpath(*modules)
    if package != HOME.name or not (place.is_dir() or place.with_suffix(".py").is_file()):
        return False
    try:
        spec = importlib.util.find_spec(package)
    except (AttributeError, ImportError, ValueError):  # as pytest looks for it
        return False
    return spec is not None and spec.origin == str(HOME / "__init__.py")
