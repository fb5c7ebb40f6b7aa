"""Fixtures for the kit's own tests come from pytest's own plugin for testing plugins; and which tests every run has."""

import gc
from collections import Counter

pytest_plugins = ["pytester"]


def pytest_addoption(parser):
    """Declares ``--whole``."""
    parser.addoption("--whole", action="store_true", help="run all of the tests that are sampled otherwise")


def pytest_configure(config):
    """Registers the mark of what is sampled; and has Python look seldom for garbage, among all that tests hold."""
    gc.set_threshold(100_000, 20, 50)
    config.addinivalue_line("markers", "sample(every): of so many parameters in a row one is run, all with --whole")


def pytest_collection_modifyitems(config, items):
    """Leaves out what is not in the sample of each marked function: evenly, so that every kind has its share."""
    if config.getoption("whole"):
        return
    seen, kept, left_out = Counter(), [], []
    for item in items:
        mark = item.get_closest_marker("sample")
        name = item.nodeid.partition("[")[0]
        (left_out if mark and seen[name] % mark.kwargs["every"] else kept).append(item)
        seen[name] += 1
    items[:] = kept
    config.hook.pytest_deselected(items=left_out)
