"""Gated cells written for 33 units, one more than whole vectors hold."""

from dataclasses import replace

from one_product import capabilities, forward  # noqa: F401

capabilities = replace(
    capabilities, sizes={"hidden_size": (33,)}, dtypes=("float32",), max_layers=2, bidirectional=False,
    batch_first=False, unbatched=False, empty=(),
)  # fmt: skip
