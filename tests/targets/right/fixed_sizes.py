"""Written for 4 or 8 units, as compiled code may be."""

from dataclasses import replace

from plain import capabilities, run

capabilities = replace(capabilities, sizes={"hidden_size": (4, 8)})


def forward(case):
    if case.config.hidden_size not in (4, 8):
        raise ValueError(f"hidden_size is {case.config.hidden_size}, must be 4 or 8")
    return run(case)
