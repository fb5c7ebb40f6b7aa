"""The reference itself: checks the engine, not the mathematics."""

import numpy as np

import reference_rnn
from conformance.claims.capabilities import Capabilities
from reference_rnn import CELLS, Case, Config, rounded

capabilities = Capabilities(
    cells=CELLS,
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
    projections=True,
    gradients=True,
    options=("peepholes", "coupled_gates", "clip", "activations"),
)


def forward_of(package):
    """The forward of a reference: output and final states of one case, rounded to its dtype once at the end."""

    def forward(case):
        given = as_case(case)
        result = package.forward(given, masks=masks(given))
        output, *final = (in_dtype(array, case.config) for _, array in result.items())
        return output, (tuple(final) if case.config.num_states == 2 else final[0])

    return forward


def gradients_of(package):
    """The gradients of a reference and the results that they are the slopes of, rounded in the same way."""

    def gradients(case, d_output, d_h_n, d_c_n):
        asked = as_case(case)
        kept = masks(asked)
        found = package.gradients(asked, d_output, d_h_n, d_c_n, masks=kept)
        own = dict(package.forward(asked, masks=kept).items())
        return {name: in_dtype(array, case.config) for name, array in (found | own).items()}

    return gradients


def in_dtype(array, config):
    """Numbers in the dtype of a configuration: the array itself if it has that."""
    return array if str(array.dtype) == config.dtype else rounded(array, config.dtype)


def masks(case):
    """What dropout keeps, at random; None where nothing is dropped or kept."""
    p = case.config.dropout
    if not 0 < p < 1:
        return None
    width = case.config.num_directions * (case.config.proj_size or case.config.hidden_size)
    kept = np.random.random((case.config.num_layers - 1, case.num_steps, case.num_rows, width))
    return list((kept >= p) / (1 - p))


def as_case(case):
    """A case with the attributes that every target is given, as one of the reference's own."""
    fields = {name: getattr(case.config, name) for name in Config.__dataclass_fields__}
    return Case(Config(**fields), case.parameters, case.x, case.h_0, case.c_0, case.lengths, case.training)


forward = forward_of(reference_rnn)
gradients = gradients_of(reference_rnn)
