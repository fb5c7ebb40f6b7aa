"""Compiled for one shape: every size is fixed."""

from dataclasses import replace

from plain import capabilities, run

SHAPE = {"input_size": 3, "hidden_size": 4, "batch": 2, "steps": 5}
capabilities = replace(
    capabilities, max_layers=1, empty=("length",), unbatched=False, batch_first=False,
    sizes={name: (size,) for name, size in SHAPE.items()},
)  # fmt: skip


def forward(case):
    T, N, I = case.x.shape
    given = {"input_size": I, "hidden_size": case.config.hidden_size, "batch": N, "steps": T}
    if given != SHAPE:
        raise ValueError(f"compiled for {SHAPE}, not for {given}")
    return run(case)
