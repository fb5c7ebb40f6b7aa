"""ncnn's layers RNN (tanh), GRU (reset after) and LSTM on the CPU, for one sequence: each row is run by itself.

RNN and LSTM have one bias; a GRU has a second one for the candidate, b_hn.
Source: https://github.com/Tencent/ncnn/blob/master/docs/developer-guide/operators.md
"""

import tempfile

import ncnn
import numpy as np

from conformance.claims.capabilities import Capabilities
from reference_rnn.layouts import reordered, suffix

capabilities = Capabilities(
    cells=("RNN_TANH", "GRU", "LSTM"),
    bidirectional=True,
    max_layers=None,
    default_state=True,
    lengths=True,
    projections=True,
    arithmetic="lenient",  # its vectorized tanh is accurate in absolute terms only, and nothing promises more
)
# The layer, and the order of its gates here and there.
LAYERS = {"RNN_TANH": ("RNN", "h", "h"), "GRU": ("GRU", "rzn", "rzn"), "LSTM": ("LSTM", "ifgo", "ifog")}
MAGIC = 7767517


def forward(case):
    """output and h_n, or output and (h_n, c_n), of one case."""
    T, N = case.x.shape[:2]
    lengths = [T] * N if case.lengths is None else case.lengths
    nets = [load(case, layer) for layer in range(case.config.num_layers)]
    outputs, *finals = zip(*(run(nets, case, row, length) for row, length in enumerate(lengths)))
    output = np.zeros((T, N, outputs[0].shape[1]), "float32")
    for row, values in enumerate(outputs):
        output[: len(values), row] = values
    h_n, *c_n = (np.stack(states, axis=1) for states in finals)
    return output, (h_n, *c_n) if c_n else h_n


def run(nets, case, row, length):
    """The output (T, D*H) and the final states (L*D, H) of one row."""
    x, finals, D = case.x[:length, row], [], case.config.num_directions
    for layer, net in enumerate(nets):
        own = slice(layer * D, (layer + 1) * D)
        states = {name: state[own, row] for name, state in zip("hc", (case.h_0, case.c_0)) if state is not None}
        x, *final = call(net, {"x": x} | states, ("y", "h_n", "c_n")[: 1 + case.config.num_states])
        finals.append(final)
    return x, *map(np.concatenate, zip(*finals))


def call(net, inputs, names):
    """Copies of the named results."""
    held = {name: array.copy() for name, array in inputs.items()}  # a Mat has no memory of its own
    extractor = net.create_extractor()
    for name, array in held.items():
        extractor.input(name, ncnn.Mat(array))
    results = [extractor.extract(name) for name in names]
    if any(status for status, _ in results):
        raise RuntimeError(f"extract returned {[status for status, _ in results]}")
    return [np.array(mat) for _, mat in results]


def load(case, layer):
    """The network of a layer, with its parameters."""
    arrays = weights(case, layer)
    net = ncnn.Net()
    net.opt.num_threads = 1
    net.load_param_mem(description(case, arrays[0].size))
    with tempfile.NamedTemporaryFile() as file:
        file.write(b"".join(bytes(4) + array.tobytes() for array in arrays))  # four zeros: float32 follows
        file.flush()
        net.load_model(file.name)
    return net


def description(case, size):
    """The text of a network of one layer: what it reads, what it gives, its sizes and that of its first weights."""
    c, names = case.config, "hc"[: case.config.num_states]
    inputs = ["x", *(names if case.h_0 is not None else "")]
    results = ["y", *(f"{name}_n" for name in names)]
    counts = f"{len(inputs)} {len(results)}"
    sizes = f"0={c.proj_size or c.hidden_size} 1={size} 2={2 * c.bidirectional} 3={c.hidden_size}"
    lines = [f"Input {name} 0 1 {name}" for name in inputs]
    lines.append(f"{LAYERS[c.cell][0]} layer {counts} {' '.join(inputs + results)} {sizes}")
    return f"{MAGIC}\n{len(lines)} {len(inputs + results)}\n" + "\n".join(lines) + "\n"


def weights(case, layer):
    """The arrays of a layer in ncnn's order, directions side by side."""
    ends = [suffix(layer, direction) for direction in range(case.config.num_directions)]
    return [np.stack(arrays) for arrays in zip(*(parameters_of(case, end) for end in ends))]


def parameters_of(case, end):
    """The arrays of a direction: of the input, biases, of the state, and that of a projection."""
    _, order, wanted = LAYERS[case.config.cell]
    p = {name.removesuffix(end): array for name, array in case.parameters.items() if name.endswith(end)}
    bias = reordered(p["bias_ih"] + p["bias_hh"], order, wanted)
    if case.config.cell == "GRU":  # of the candidate it has both
        n = slice(2 * case.config.hidden_size, None)
        bias = np.concatenate([bias[: n.start], p["bias_ih"][n], p["bias_hh"][n]])
    found = [reordered(p["weight_ih"], order, wanted), bias, reordered(p["weight_hh"], order, wanted)]
    return found + ([p["weight_hr"]] if "weight_hr" in p else [])
