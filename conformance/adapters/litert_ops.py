"""LiteRT, formerly TensorFlow Lite: its operators RNN (tanh and relu) and LSTM of whole sequences, one for each layer.

A model is written for each case. States are variable tensors of it, which are zero until they are set.
Source: https://www.tensorflow.org/mlir/tfl_ops
"""

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as tfl
from ai_edge_litert.interpreter import Interpreter

from conformance.claims.capabilities import Capabilities
from reference_rnn.layouts import suffix

capabilities = Capabilities(
    cells=("RNN_TANH", "RNN_RELU", "LSTM"),
    bidirectional=True,
    max_layers=None,
    default_state=True,
    batch_first=True,
    projections=True,
    options=("peepholes",),
)
ACTIVATIONS = {
    "RNN_TANH": tfl.ActivationFunctionType.TANH,
    "RNN_RELU": tfl.ActivationFunctionType.RELU,
    "LSTM": tfl.ActivationFunctionType.TANH,
}
CODES, KINDS = tfl.BuiltinOperator, tfl.BuiltinOptions
# Whether it is an LSTM, and whether it has two directions: code, kind and class of the options, optional last inputs.
OPERATORS = {
    (False, False): (CODES.UNIDIRECTIONAL_SEQUENCE_RNN, KINDS.SequenceRNNOptions, tfl.SequenceRNNOptionsT, 0),
    (True, False): (
        CODES.UNIDIRECTIONAL_SEQUENCE_LSTM, KINDS.UnidirectionalSequenceLSTMOptions,
        tfl.UnidirectionalSequenceLSTMOptionsT, 0,
    ),
    (False, True): (
        CODES.BIDIRECTIONAL_SEQUENCE_RNN, KINDS.BidirectionalSequenceRNNOptions,
        tfl.BidirectionalSequenceRNNOptionsT, 3,
    ),
    (True, True): (
        CODES.BIDIRECTIONAL_SEQUENCE_LSTM, KINDS.BidirectionalSequenceLSTMOptions,
        tfl.BidirectionalSequenceLSTMOptionsT, 9,
    ),
}  # fmt: skip
LEFT_OUT = -1  # in the place of an input


def forward(case):
    """output and h_n, or output and (h_n, c_n), of one case."""
    model = Model()
    x = source = model.tensor(case.x.shape)
    states = []
    for layer in range(case.config.num_layers):
        x, own = add_layer(model, case, layer, x)
        states += own
    interpreter = Interpreter(model_content=model.content(source, x), num_threads=1)
    interpreter.allocate_tensors()
    interpreter.set_tensor(source, case.x.copy())
    tensors = list(zip(*states))  # of each state: those of all layers and directions
    for own, given in zip(tensors, (case.h_0, case.c_0)):
        for tensor, state in zip(own, () if given is None else given):
            interpreter.set_tensor(tensor, state.copy())
    interpreter.invoke()
    h_n, *c_n = (np.stack([interpreter.get_tensor(tensor) for tensor in own]) for own in tensors)
    return interpreter.get_tensor(x), (h_n, *c_n) if c_n else h_n


def add_layer(model, case, layer, x):
    """Adds the operator of a layer; its output, and the states of each direction: (h,) or (h, c)."""
    c, lstm = case.config, case.config.cell == "LSTM"
    ends = [suffix(layer, direction) for direction in range(c.num_directions)]
    widths = (c.proj_size or c.hidden_size, c.hidden_size)[: c.num_states]
    rows = case.x.shape[not c.batch_first]
    states = [[model.tensor((rows, width), isVariable=True) for width in widths] for _ in ends]
    parameters = [[model.constant(array) for array in parameters_of(case, end)] for end in ends]
    # An LSTM has the states of both directions last, an RNN each beside its parameters.
    parts = [*parameters, *states] if lstm else [part for both in zip(parameters, states) for part in both]
    code, kind, options, optional = OPERATORS[lstm, c.bidirectional]
    inputs = [x, *(tensor for part in parts for tensor in part), *[LEFT_OUT] * optional]
    chosen = options(fusedActivationFunction=ACTIVATIONS[c.cell], timeMajor=not c.batch_first)
    chosen.mergeOutputs = True  # of two directions
    output = model.tensor((*case.x.shape[:2], len(ends) * widths[0]))
    model.add(code, kind, chosen, inputs, output)
    return output, states


def parameters_of(case, end):
    """The parameters of a direction in the order of the operator's inputs; None for what is left out."""
    p = {name.removesuffix(end): array for name, array in case.parameters.items() if name.endswith(end)}
    if case.config.cell != "LSTM":
        return p["weight_ih"], p["weight_hh"], p["bias_ih"] + p["bias_hh"]
    W_ih, W_hh, b = (np.split(array, 4) for array in (p["weight_ih"], p["weight_hh"], p["bias_ih"] + p["bias_hh"]))
    w_ch = np.split(p["weight_ch"], 3) if "weight_ch" in p else [None] * 3
    return *W_ih, *W_hh, *w_ch, *b, p.get("weight_hr"), None


class Model:
    """A model of one subgraph, to which tensors and operators are added."""

    def __init__(self):
        self.tensors, self.buffers, self.operators, self.codes = [], [tfl.BufferT()], [], []

    def tensor(self, shape, **options):
        """The number of a new tensor of float32."""
        self.tensors.append(tfl.TensorT(shape=list(shape), **options))
        return len(self.tensors) - 1

    def constant(self, array):
        """The number of a tensor with these numbers; for None, that of no tensor."""
        if array is None:
            return LEFT_OUT
        self.buffers.append(tfl.BufferT(data=np.ascontiguousarray(array).view("uint8").ravel()))
        return self.tensor(array.shape, buffer=len(self.buffers) - 1)

    def add(self, code, kind, options, inputs, output):
        """Adds an operator."""
        self.codes.append(tfl.OperatorCodeT(builtinCode=code, deprecatedBuiltinCode=code))
        self.operators.append(
            tfl.OperatorT(len(self.codes) - 1, inputs, [output], builtinOptionsType=kind, builtinOptions=options)
        )

    def content(self, source, result):
        """The bytes of the file."""
        graph = tfl.SubGraphT(self.tensors, [source], [result], self.operators)
        model = tfl.ModelT(version=3, operatorCodes=self.codes, subgraphs=[graph], buffers=self.buffers)
        builder = flatbuffers.Builder()
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())
