"""The pytest options of rnn-conformance. Nothing else of it is imported unless one asks for a target."""

import importlib.util
from pathlib import Path

import pytest

HOME = Path(__file__).with_name("conformance")


def pytest_addoption(parser):
    """Declares ``--rnn`` and its companions."""
    group = parser.getgroup("rnn-conformance", "conformance of recurrent networks")
    group.addoption("--rnn", metavar="TARGET", help="judge this target: pytest --pyargs conformance --rnn my_rnn.py")
    group.addoption("--rnn-profile", metavar="NAME", help="quick (default), standard or thorough")
    group.addoption("--rnn-seed", metavar="N", type=int, default=0, help="seed of the random cases")
    group.addoption("--rnn-json", metavar="FILE", help="write the report there as JSON")
    parser.addini("rnn", "the target to judge; --rnn goes first")
    parser.addini("rnn_profile", "the profile; --rnn-profile goes first", default="quick")


def pytest_configure(config):
    """Registers the plugin proper, where a target is named."""
    target = config.getoption("rnn") or config.getini("rnn")
    if not target:
        return
    try:
        from conformance.plugin import Plugin
    except ImportError as error:
        raise pytest.UsageError(f"rnn-conformance cannot be used here: {error}") from None
    config.pluginmanager.register(Plugin(config, target), "rnn-conformance")


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
