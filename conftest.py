"""Fixtures for the kit's own tests come from pytest's own plugin for testing plugins; and which tests every run has."""

import gc
from collections import Counter

pytest_plugins = ["pytester"]


def pytest_addoption(parser):
    """Declares ``--whole``."""
    parser.addoption("--whole", action="store_true", help="run what takes long, and all that is sampled")


def pytest_configure(config):
    """Registers the mark of what is sampled; and has Python look seldom for garbage, among all that tests hold."""
    gc.set_threshold(100_000, 20, 50)
    config.addinivalue_line("markers", "sample(every): of so many parameters in a row one is run, all with --whole")
    config.addinivalue_line("markers", "nightly: takes long, and is run with --whole alone")


def pytest_collection_modifyitems(config, items):
    """Leaves out what is nightly, and what is in no sample: evenly, so that every kind of parameter has its share."""
    if config.getoption("whole"):
        return
    seen, kept, left_out = Counter(), [], []
    for item in items:
        sample, name = item.get_closest_marker("sample"), item.nodeid.partition("[")[0]
        between = bool(sample) and seen[name] % sample.kwargs["every"] > 0
        (left_out if between or item.get_closest_marker("nightly") else kept).append(item)
        seen[name] += 1
    items[:] = kept
    config.hook.pytest_deselected(items=left_out)
