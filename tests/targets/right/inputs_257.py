"""A GRU that reads 257 features in both directions."""

from dataclasses import replace

from one_product import capabilities, forward  # noqa: F401

capabilities = replace(
    capabilities, cells=("GRU",), sizes={"input_size": (257,)}, dtypes=("float32",), max_layers=1,
    batch_first=False, unbatched=False, empty=(),
)  # fmt: skip
