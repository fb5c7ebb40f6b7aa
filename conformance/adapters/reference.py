"""The reference itself: checks the engine, not the mathematics."""

import numpy as np

import reference_rnn
from conformance.target.capabilities import Capabilities
from reference_rnn import Case, Config, rounded

capabilities = Capabilities(
    cells=("RNN_TANH", "RNN_RELU"),
    dtypes=("float32", "float64", "float16", "bfloat16"),
    bidirectional=True,
    max_layers=None,
    no_bias=True,
    default_state=True,
    lengths=True,
    empty=True,
    nonfinite=True,
    batch_first=True,
    unbatched=True,
    dropout=True,
)


def forward_of(package):
    """The forward of a reference: output and h_n of one case, rounded to its dtype once at the end."""

    def forward(case):
        result = package.forward(as_case(case), masks=masks(case))
        return rounded(result.output, case.config.dtype), rounded(result.h_n, case.config.dtype)

    return forward


def masks(case):
    """What dropout keeps, at random; None where nothing is dropped or kept."""
    p = case.config.dropout
    T, N = case.x.shape[:2]
    if not 0 < p < 1:
        return None
    kept = np.random.random((case.config.num_layers - 1, T, N, case.config.num_directions * case.config.hidden_size))
    return list((kept >= p) / (1 - p))


def as_case(case):
    """A case with the attributes that every target is given, as one of the reference's own."""
    fields = {name: getattr(case.config, name) for name in Config.__dataclass_fields__}
    return Case(Config(**fields), case.parameters, case.x, case.h_0, case.c_0, case.lengths, case.training)


forward = forward_of(reference_rnn)
