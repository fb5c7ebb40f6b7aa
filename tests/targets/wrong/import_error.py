"""Imports a module that is not installed."""

import a_module_that_nobody_has  # noqa: F401


def forward(case):
    return case.x, case.h_0
