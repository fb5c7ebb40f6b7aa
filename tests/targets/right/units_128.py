"""Plain cells written for one layer of 128 units."""

from dataclasses import replace

from plain import capabilities, run

capabilities = replace(
    capabilities, sizes={"hidden_size": (128,)}, dtypes=("float32",), max_layers=1, bidirectional=False,
    batch_first=False, unbatched=False, empty=(),
)  # fmt: skip


def forward(case):
    return run(case)
