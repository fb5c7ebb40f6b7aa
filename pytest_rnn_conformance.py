"""The pytest options of rnn-conformance. Nothing else of it is imported unless one asks for a target."""

import pytest


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
