"""Prints ten thousand lines on every call."""

from conformance import Capabilities
from plain import run

capabilities = Capabilities()


def forward(case):
    for number in range(10000):
        print("line", number)
    return run(case)
