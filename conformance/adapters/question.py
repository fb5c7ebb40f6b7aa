"""Any function with the signature rnn(xs, h, w0, w, b, num_layers, nonlinearity, dropout, bidirectional, training).

Its owner needs to write nothing: a function whose first arguments are named xs, h, w0, w and b is
recognised when it is named: ``rnn-conformance check my_rnn.py:rnn``.
"""

from conformance.claims.capabilities import Capabilities
from reference_rnn.formats.fused_layout import LAYOUT, as_question

CAPABILITIES = Capabilities(
    cells=("RNN_TANH", "RNN_RELU"), dtypes=("float32", "float64"), bidirectional=True, max_layers=None, biases="one"
)


def adapt(rnn):
    """A target that calls the function with its own layout of the arrays."""

    def forward(case):
        c = case.config
        xs, h, w0, w, b = as_question(case).values()
        nonlinearity = c.cell.removeprefix("RNN_").lower()
        return rnn(xs, h, w0, w, b, c.num_layers, nonlinearity, c.dropout, c.bidirectional, case.training)

    forward.capabilities, forward.layout = CAPABILITIES, LAYOUT
    return forward
