"""Prints to standard output and standard error and warns, on import and on every call."""

import sys
import warnings

from plain import capabilities, run  # noqa: F401

print("hello from the target")


def forward(case):
    print("forward of", case.config.cell)
    print("careful", file=sys.stderr)
    warnings.warn("this network is old", DeprecationWarning, stacklevel=2)
    return run(case)
