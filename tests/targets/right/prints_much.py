"""Prints ten thousand lines on every call."""

from plain import run

from conformance import Capabilities

capabilities = Capabilities()


def forward(case):
    for number in range(10000):
        print("line", number)
    return run(case)
