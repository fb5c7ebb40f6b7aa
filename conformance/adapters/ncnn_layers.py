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
    net = load(case)
    outputs, *finals = zip(*(run(net, case, row, length) for row, length in enumerate(lengths)))
    output = np.zeros((T, N, outputs[0].shape[1]), "float32")
    for row, values in enumerate(outputs):
        output[: len(values), row] = values
    h_n, *c_n = (np.stack(states, axis=1) for states in finals)
    return output, (h_n, *c_n) if c_n else h_n


def run(net, case, row, length):
    """The output (T, D*H) and the final states (L*D, H) of one row."""
    layers, D = range(case.config.num_layers), case.config.num_directions
    given = {name: state for name, state in zip("hc", (case.h_0, case.c_0)) if state is not None}
    inputs = {"x": case.x[:length, row]}
    inputs |= {f"{n}{layer}": s[layer * D : (layer + 1) * D, row] for n, s in given.items() for layer in layers}
    inputs = {name: array.copy() for name, array in inputs.items()}  # held here: a Mat has no memory of its own
    extractor = net.create_extractor()
    for name, array in inputs.items():
        extractor.input(name, ncnn.Mat(array))
    finals = [[read(extractor, f"{name}_n{layer}") for layer in layers] for name in states(case)]
    return read(extractor, f"y{layers[-1]}"), *map(np.concatenate, finals)


def read(extractor, name):
    """A copy of what an extractor gives."""
    status, mat = extractor.extract(name)
    if status:
        raise RuntimeError(f"extract({name!r}) returned {status}")
    return np.array(mat)


def load(case):
    """The network of a case, with its parameters."""
    net = ncnn.Net()
    net.opt.num_threads = 1
    net.load_param_mem(description(case))
    with tempfile.NamedTemporaryFile() as file:
        for array in weights(case):
            file.write(bytes(4) + array.astype("float32").tobytes())  # four zeros: float32 follows
        file.flush()
        net.load_model(file.name)
    return net


def description(case):
    """The layers of a case and what each reads and gives, as a param file."""
    c, names, lines, x, blobs = case.config, states(case), ["Input x 0 1 x"], "x", 1
    kind, P = LAYERS[c.cell][0], c.proj_size or c.hidden_size
    for layer in range(c.num_layers):
        given = [f"{name}{layer}" for name in names if case.h_0 is not None]
        lines += [f"Input {name} 0 1 {name}" for name in given]
        tops = [f"y{layer}", *(f"{name}_n{layer}" for name in names)]
        size = case.parameters["weight_ih" + suffix(layer, 0)].size * c.num_directions
        sizes = f"0={P} 1={size} 2={2 * c.bidirectional}" + f" 3={c.hidden_size}" * (kind == "LSTM")
        lines.append(f"{kind} l{layer} {len(given) + 1} {len(tops)} {' '.join([x, *given, *tops])} {sizes}")
        x, blobs = f"y{layer}", blobs + len(given) + len(tops)
    return "\n".join([str(MAGIC), f"{len(lines)} {blobs}", *lines, ""])


def weights(case):
    """The arrays of all layers in ncnn's order, directions side by side."""
    c = case.config
    for layer in range(c.num_layers):
        ends = [suffix(layer, direction) for direction in range(c.num_directions)]
        for kind in ("weight_ih", "bias", "weight_hh", "weight_hr"):
            if kind != "weight_hr" or c.proj_size:
                yield np.stack([array_of(case, kind, end) for end in ends])


def array_of(case, kind, end):
    """One array of a direction."""
    _, order, wanted = LAYERS[case.config.cell]
    if kind == "weight_hr":
        return case.parameters[kind + end]
    if kind != "bias":
        return reordered(case.parameters[kind + end], order, wanted)
    b_ih, b_hh = case.parameters["bias_ih" + end], case.parameters["bias_hh" + end]
    if case.config.cell == "GRU":
        n = slice(2 * case.config.hidden_size, None)
        return np.concatenate([(b_ih + b_hh)[: n.start], b_ih[n], b_hh[n]])
    return reordered(b_ih + b_hh, order, wanted)


def states(case):
    """The names of the states."""
    return "hc" if case.config.cell == "LSTM" else "h"
