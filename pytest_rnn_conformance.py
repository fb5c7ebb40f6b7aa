"""The pytest options of rnn-conformance. Nothing else of it is imported unless one asks for a target."""

import importlib.util
import sys
from pathlib import Path

import pytest

HOME = Path(__file__).with_name("conformance")


def declared():
    """The module in which the options of a trial are declared; it is read by its place, and imports nothing of ours."""
    spec = importlib.util.spec_from_file_location("_rnn_conformance_options", HOME / "trial" / "options.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


OPTIONS = declared()


def own():
    """The options that pytest does not have itself."""
    return [one for one in OPTIONS.declared() if not one.metadata["elsewhere"]]


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
    target = config.getoption("rnn") or config.getini("rnn")
    if not target:
        return
    try:
        from conformance.plugin import Plugin
    except ImportError as error:
        raise pytest.UsageError(f"rnn-conformance cannot be used here: {error}") from None
    try:
        config.pluginmanager.register(Plugin(config, target, asked(config)), "rnn-conformance")
    except OPTIONS.UsageError as error:
        raise pytest.UsageError(str(error)) from None


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
