"""An LSTM written for one layer of 64 units."""

from dataclasses import replace

from one_product import capabilities, forward  # noqa: F401

capabilities = replace(
    capabilities, cells=("LSTM",), sizes={"hidden_size": (64,)}, dtypes=("float32",), max_layers=1,
    bidirectional=False, projections=False, batch_first=False, unbatched=False, nonfinite=False, empty=(),
)  # fmt: skip
