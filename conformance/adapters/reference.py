"""The reference itself: checks the engine, not the mathematics."""

import numpy as np

from conformance.target.capabilities import Capabilities
from reference_rnn import forward as reference
from reference_rnn.recurrence import time_major

capabilities = Capabilities(
    cells=("RNN_TANH", "RNN_RELU"),
    dtypes=("float32", "float64"),
    bidirectional=True,
    max_layers=None,
    no_bias=True,
    default_state=True,
    lengths=True,
    empty=True,
    nonfinite=True,
    batch_first=True,
    unbatched=True,
)


def forward(case):
    """output and h_n of one case, rounded to its dtype once at the end."""
    result = reference(case_of(case))
    return result.output.astype(case.x.dtype), result.h_n.astype(case.x.dtype)
