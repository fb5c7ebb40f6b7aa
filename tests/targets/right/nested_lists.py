"""Returns nested lists, which have no dtype and, without steps or rows, no shape."""

from dataclasses import replace

from plain import capabilities, run

capabilities = replace(capabilities, empty=("length",))


def forward(case):
    return [array.tolist() for array in run(case)]
