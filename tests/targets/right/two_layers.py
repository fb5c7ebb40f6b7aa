"""Always has two layers."""

from dataclasses import replace

from plain import capabilities, run

capabilities = replace(capabilities, max_layers=2, sizes={"num_layers": (2,)})


def forward(case):
    if case.config.num_layers != 2:
        raise ValueError(f"num_layers is {case.config.num_layers}, must be 2")
    return run(case)
