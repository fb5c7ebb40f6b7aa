"""The reference itself: checks the engine, not the mathematics."""

import reference_rnn
from conformance.target.capabilities import Capabilities
from reference_rnn import Case, Config

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


def forward_of(package):
    """The forward of a reference: output and h_n of one case, rounded to its dtype once at the end."""

    def forward(case):
        result = package.forward(as_case(case))
        return result.output.astype(case.x.dtype), result.h_n.astype(case.x.dtype)

    return forward


def as_case(case):
    """A case with the attributes that every target is given, as one of the reference's own."""
    fields = {name: getattr(case.config, name) for name in Config.__dataclass_fields__}
    return Case(Config(**fields), case.parameters, case.x, case.h_0, case.c_0, case.lengths, case.training)


forward = forward_of(reference_rnn)
