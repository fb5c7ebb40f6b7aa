"""Reads three features, as compiled code may, in any number of layers."""

from dataclasses import replace

from plain import capabilities, run

capabilities = replace(capabilities, sizes={"input_size": (3,)})


def forward(case):
    if case.config.input_size != 3:
        raise ValueError(f"input_size is {case.config.input_size}, must be 3")
    return run(case)
