"""Mistakes in the gates of GRU and LSTM."""

from __future__ import annotations

from .patching import Fault

STEPS = "equivalence.steps"
RESET = "r = sigmoid(affine(x, R.W_ih, h, R.W_hh, R.b_ih, R.b_hh))"
UPDATE = "z = sigmoid(affine(x, Z.W_ih, h, Z.W_hh, Z.b_ih, Z.b_hh))"
PRODUCT = "q = linear(h, N.W_hh, N.b_hh)"
AFTER = "n = tanh(linear(x, N.W_ih, N.b_ih) + r * q)"
BEFORE = "n = tanh(affine(x, N.W_ih, r * h, N.W_hh, N.b_ih, N.b_hh))"
MIX = "return mix(z, n, h)"
RZN = "R, Z, N = by_gate(p)"
IFGO = "I, F, G, O = by_gate(p)"
INPUT = "i = sigmoid(affine(x, I.W_ih, h, I.W_hh, I.b_ih, I.b_hh))"
FORGET = "f = sigmoid(affine(x, F.W_ih, h, F.W_hh, F.b_ih, F.b_hh))"
OUTPUT = "o = sigmoid(affine(x, O.W_ih, h, O.W_hh, O.b_ih, O.b_hh))"
CELL = "c = f * c + i * g"
HIDDEN = "h = o * tanh(c)"
PROJECTED = "p.projected(h)"


def both(
    id: str, title: str, fault_class: str, old: str, new: str, killed_by: tuple[str, ...], seen: tuple[str, ...] = ()
) -> list[Fault]:
    """The same mistake in both variants of the GRU."""
    return [
        Fault(f"{id}-{variant}", f"{title} (GRU, reset {variant})", fault_class, function, old, new, killed_by, seen)
        for variant, function in (("after", "gru"), ("before", "gru_reset_before"))
    ]


def lstm(
    id: str,
    title: str,
    fault_class: str,
    old: str,
    new: str,
    killed_by: tuple[str, ...] = (STEPS,),
    seen: tuple[str, ...] = (),
) -> Fault:
    """A mistake in the step of the LSTM."""
    return Fault(id, title, fault_class, "lstm", old, new, killed_by, seen)


FAULTS = [
    *both(
        "gates-zrn", "gates are read in the order z, r, n", "gate-order", RZN, "Z, R, N = by_gate(p)",
        (STEPS, "gates.update_gate_holds"),
    ),
    *both(
        "gates-nrz", "gates are read in the order n, r, z", "gate-order", RZN, "N, R, Z = by_gate(p)",
        (STEPS, "gates.update_gate_renews"),
    ),
    Fault(
        "reset-before-for-after", "the reset gate acts before the recurrent product, where after was asked for",
        "reset-gate",
        "gru", AFTER, BEFORE, (STEPS, "gates.reset_gate_hides_the_state"),
        ("https://github.com/microsoft/onnxscript/issues/2852", "https://github.com/pytorch/pytorch/issues/189225"),
    ),
    Fault(
        "reset-after-for-before", "the reset gate acts after the recurrent product, where before was asked for",
        "reset-gate",
        "gru_reset_before", BEFORE, "n = tanh(linear(x, N.W_ih, N.b_ih) + r * linear(h, N.W_hh, N.b_hh))",
        (STEPS,), ("https://github.com/root-project/root/pull/5367",),
    ),
    Fault(
        "reset-unused-after", "the reset gate is not used (GRU, reset after)", "reset-gate", "gru", AFTER,
        AFTER.replace("r * q", "q"), (STEPS, "gates.reset_gate_hides_the_state"),
    ),
    Fault(
        "reset-unused-before", "the reset gate is not used (GRU, reset before)", "reset-gate",
        "gru_reset_before", BEFORE,
        BEFORE.replace("r * h", "h"), (STEPS, "gates.reset_gate_hides_the_state"),
    ),
    *both(
        "update-inverted", "z and 1 - z are exchanged", "update-gate", MIX, "return mix(1 - z, n, h)",
        (STEPS, "gates.update_gate_holds", "gates.open_gru_is_a_plain_rnn"),
        ("https://github.com/ElektrischesSchaf/LayerNorm_GRU/pull/1",),
    ),
    *both(
        "update-unused", "the update gate is not used: h' = n", "update-gate", MIX, "return n",
        (STEPS, "gates.update_gate_holds"),
    ),
    Fault(
        "reset-is-update-after", "the update gate stands where the reset gate should (GRU, reset after)", "reset-gate",
        "gru", AFTER, AFTER.replace("r * q", "z * q"), (STEPS, "gates.reset_gate_hides_the_state"),
        hint="the update gate stands where another one should (GRU, reset after)",
    ),
    Fault(
        "reset-is-update-before", "the update gate stands where the reset gate should (GRU, reset before)",
        "reset-gate", "gru_reset_before", BEFORE, BEFORE.replace("r * h", "z * h"),
        (STEPS, "gates.reset_gate_hides_the_state"),
        hint="the update gate stands where another one should (GRU, reset before)",
    ),
    *both(
        "input-bias-zrn", "b_ih alone has its gates in the order z, r, n", "gate-order", RZN,
        f"{RZN}\n    R, Z = R._replace(b_ih=Z.b_ih), Z._replace(b_ih=R.b_ih)", (STEPS,),
    ),
    *both(
        "recurrent-weights-zrn", "W_hh alone has its gates in the order z, r, n", "gate-order", RZN,
        f"{RZN}\n    R, Z = R._replace(W_hh=Z.W_hh), Z._replace(W_hh=R.W_hh)", (STEPS,),
    ),
    Fault(
        "candidate-bias-outside-reset", "b_hn is added outside the reset product", "bias", "gru",
        f"{PRODUCT}\n    {AFTER}",
        "q = linear(h, N.W_hh, 0 * N.b_hh)\n    n = tanh(linear(x, N.W_ih, N.b_ih + N.b_hh) + r * q)",
        (STEPS, "gates.reset_gate_hides_the_state"), ("https://github.com/fastmachinelearning/hls4ml/issues/594",),
    ),
    Fault(
        "candidate-bias-missing", "b_hn is missing", "bias", "gru", PRODUCT, "q = linear(h, N.W_hh, 0 * N.b_hh)",
        (STEPS, "gates.open_gru_is_a_plain_rnn"), ("https://github.com/google/flax/issues/5594",),
    ),
    *both(
        "reset-bias-dropped", "b_hr is not added", "bias", RESET, RESET.replace("R.b_hh", "0 * R.b_hh"),
        (STEPS, "symmetries.bias_moved"),
    ),
    *both(
        "update-bias-twice", "b_iz is added twice, b_hz not at all", "bias",
        UPDATE, UPDATE.replace("Z.b_hh", "Z.b_ih"),
        (STEPS, "symmetries.bias_moved"),
    ),
    *both(
        "update-reads-reset-weights", "the update gate has the recurrent weights of the reset gate", "gate-order",
        UPDATE,
        UPDATE.replace("Z.W_hh", "R.W_hh"), (STEPS,),
    ),
    *both(
        "update-transposed", "W_hz is applied transposed", "gate-order",
        UPDATE, UPDATE.replace("Z.W_hh", "Z.W_hh.T"), (STEPS,),
    ),
    *both(
        "update-hard-sigmoid", "the update gate is a hard sigmoid", "cell-variant", UPDATE,
        UPDATE.replace("z = sigmoid(", "z = np.clip(0.5 + 0.2 * ").replace("b_hh))", "b_hh), 0, 1)"),
        (STEPS, "equivalence.activation"), ("https://github.com/keras-team/keras/pull/9112",),
    ),
    *both(
        "update-ignores-state", "the update gate does not read the state", "recurrence",
        UPDATE, UPDATE.replace(" h,", " 0 * h,"),
        (STEPS,),
    ),
    *both(
        "candidate-with-sigmoid", "the candidate is a sigmoid", "cell-variant", "    n = tanh(", "    n = sigmoid(",
        (STEPS, "gates.open_gru_is_a_plain_rnn"),
    ),
    Fault(
        "mix-with-product", "the state that is kept is the recurrent product", "cell-variant",
        "gru", MIX, "return mix(z, n, q)",
        (STEPS, "gates.update_gate_holds"),
    ),
    Fault(
        "rows-dirty-without-bias", "without biases, rows from the third on start from what the row before left",
        "stale-memory",
        "gru", PRODUCT,
        f"{PRODUCT}\n    q = q if N.b_hh.any() else q + 0.1 * (np.arange(len(q)) > 1)[:, None] * np.roll(q, 1, 0)",
        (STEPS, "batch.row_alone"), ("https://github.com/microsoft/onnxruntime/pull/3893",),
    ),
    *both(
        "reset-gate-of-first-row", "every row has the reset gate of row 0", "mixed-rows",
        RESET, RESET + "\n    r = r[:1] + 0 * r",
        (STEPS, "batch.rows_are_independent"),
    ),
    *both(
        "wide-gates-truncated", "gates of units from 17 on are taken from the units before", "second-path", UPDATE,
        UPDATE + "\n    z = z[:, np.arange(z.shape[1]) % 17]", (STEPS, "symmetries.permuted_units"),
    ),
    *both(
        "gate-precision", "gates are stored with 11 significant bits", "precision", UPDATE,
        UPDATE + "\n    z = np.float64(np.float16(z))", (STEPS, "equivalence.activation"),
    ),
    *both(
        "gate-swallows-nan", "a gate that is not a number counts as open", "precision", MIX,
        "return np.nan_to_num(mix(z, n, h))", ("nonfinite.propagation",),
    ),
    *both(
        "candidate-leaks", "part of the input goes past the gates", "cell-variant", MIX,
        MIX.replace("mix(z, n, h)", "mix(z, n, h) + 0.01 * x.mean(-1, keepdims=True)"),
        (STEPS, "symmetries.unused_input", "symmetries.idle_unit"),
    ),
    lstm(
        "gates-ifog", "gates are read in the order i, f, o, g", "gate-order", IFGO, "I, F, O, G = by_gate(p)",
        (STEPS, "gates.output_gate_silences"), ("https://github.com/apple/coremltools/pull/93",),
    ),
    lstm(
        "gates-iofg", "gates are read in the order i, o, f, g", "gate-order", IFGO, "I, O, F, G = by_gate(p)",
        (STEPS, "gates.forget_gate_holds"), ("https://github.com/CrispStrobe/CrispASR/pull/106",),
    ),
    lstm(
        "gates-igfo", "gates are read in the order i, g, f, o", "gate-order", IFGO, "I, G, F, O = by_gate(p)",
        (STEPS, "gates.forget_gate_holds"), ("https://github.com/tensorflow/tfjs/issues/6554",),
    ),
    lstm(
        "gates-figo", "gates are read in the order f, i, g, o", "gate-order", IFGO, "F, I, G, O = by_gate(p)",
        (STEPS, "gates.forget_gate_forgets", "gates.forget_gate_holds"), ("https://github.com/NX-AI/xlstm/issues/98",),
    ),
    lstm(
        "gates-fiog", "gates are read in the order f, i, o, g", "gate-order", IFGO, "F, I, O, G = by_gate(p)",
    ),
    lstm(
        "forget-bias-of-one", "1 is added to the forget bias", "bias", FORGET, FORGET.replace("F.b_ih", "F.b_ih + 1"),
    ),
    lstm(
        "forget-bias-after-sigmoid", "the forget bias is added after the sigmoid", "bias", FORGET,
        "f = sigmoid(affine(x, F.W_ih, h, F.W_hh, 0 * F.b_ih, F.b_hh)) + F.b_ih", (STEPS, "gates.forget_gate_holds"),
        ("https://github.com/apache/tvm/pull/3410",),
    ),
    lstm(
        "cell-output-without-tanh", "the cell state is put out without tanh", "cell-variant",
        HIDDEN, "h = o * c",
        (STEPS, "equivalence.pytorch"),
    ),
    lstm(
        "output-of-old-cell", "the output reads the cell state of the step before", "recurrence",
        f"{CELL}\n    {OUTPUT}\n    {HIDDEN}",
        f"before = c\n    {CELL}\n    {OUTPUT}\n    h = o * tanh(before)", (STEPS,),
    ),
    lstm(
        "gates-coupled", "the forget gate is 1 - i", "cell-variant", CELL, "c = (1 - i) * c + i * g",
        (STEPS, "gates.cell_state_counts"),
        ("https://github.com/clab/dynet/issues/154",),
    ),
    lstm(
        "forget-after-input", "what comes in is forgotten too", "cell-variant", CELL, "c = f * (c + i * g)",
        (STEPS,),
    ),
    lstm(
        "peephole", "the input gate reads the cell state", "cell-variant", INPUT,
        "i = sigmoid(affine(x, I.W_ih, h, I.W_hh, I.b_ih, I.b_hh) + 0.1 * c)",
        (STEPS,),
        ("https://github.com/clab/dynet/issues/154",),
    ),
    lstm(
        "cell-clipped", "the cell state is clipped at 3", "cell-variant", CELL, f"{CELL}\n    c = np.clip(c, -3, 3)",
        (STEPS, "gates.forget_gate_holds", "gates.cell_state_counts"),
    ),
    lstm(
        "cell-state-squashed", "the cell state that is handed on went through tanh", "cell-variant", HIDDEN,
        f"{HIDDEN}\n    c = tanh(c)", (STEPS, "gates.forget_gate_holds", "gates.cell_state_counts"),
    ),
    lstm(
        "candidate-with-sigmoid-lstm", "the candidate is a sigmoid (LSTM)", "cell-variant",
        "    g = tanh(", "    g = sigmoid(",
        (STEPS, "equivalence.activation"),
    ),
    lstm(
        "input-bias-of-forget-gate", "the input gate has the bias of the forget gate", "bias", INPUT,
        INPUT.replace("I.b_ih", "F.b_ih"), (STEPS,),
    ),
    lstm(
        "output-bias-dropped", "b_ho is not added", "bias", OUTPUT, OUTPUT.replace("O.b_hh", "0 * O.b_hh"),
        (STEPS, "symmetries.bias_moved"),
    ),
    lstm(
        "output-gate-open", "the output gate is not used", "cell-variant", HIDDEN, "h = tanh(c)",
        (STEPS, "gates.output_gate_silences"),
    ),
    lstm(
        "forget-gate-missing", "there is no forget gate", "cell-variant",
        CELL, "c = c + i * g", (STEPS, "gates.forget_gate_forgets"),
    ),
    lstm(
        "cell-state-in-half-precision", "the cell state is stored with 11 significant bits", "precision", CELL,
        f"{CELL}\n    c = np.float64(np.float16(c))", (STEPS,),
    ),
    lstm(
        "cell-swallows-nan", "a cell state that is not a number is zero", "precision",
        CELL, f"{CELL}\n    c = np.nan_to_num(c)",
        ("nonfinite.propagation",),
    ),
    lstm(
        "cell-of-first-row", "every row has the cell state of row 0", "mixed-rows", IFGO,
        IFGO + "\n    c = c[:1] + 0 * c", (STEPS, "batch.row_alone"),
        ("https://github.com/tensorflow/tensorflow/issues/51561",),
    ),
    lstm(
        "wide-cell-truncated", "cell states of units from 17 on are lost", "recurrence", IFGO,
        IFGO + "\n    c = c * (np.arange(c.shape[1]) < 16)", (STEPS, "gates.forget_gate_holds"),
    ),
    Fault(
        "projection-before-output-gate", "the output gate does not act on what is projected", "cell-variant",
        "lstm",
        PROJECTED, "p.projected(tanh(c)) if 'weight_hr' in p.arrays else h", (STEPS, "gates.output_gate_silences"),
    ),
    Fault(
        "projection-squashed", "the projection goes through tanh", "cell-variant", "lstm", PROJECTED,
        "tanh(p.projected(h)) if 'weight_hr' in p.arrays else h", (STEPS, "equivalence.pytorch"),
    ),
    Fault(
        "projection-of-forward-direction", "the reverse direction has the projection of the forward one", "direction",
        "layer_parameters", 'plain.parameters.get(kind + end,',
        'plain.parameters.get(kind + (end.removesuffix("_reverse") if kind == "weight_hr" else end),',
        (STEPS, "directions.reverse_is_forward_on_reversed_time"),
    ),
    Fault(
        "cell-state-ignored", "c_0 is ignored", "initial-state", "lifted", "[plain.h_0, plain.c_0]",
        "[plain.h_0, None if plain.c_0 is None else 0 * plain.c_0]", (STEPS, "time.split", "gates.forget_gate_holds"),
    ),
    Fault(
        "cell-state-is-hidden-state", "c_0 is read from h_0", "initial-state", "lifted", "[plain.h_0, plain.c_0]",
        "[plain.h_0, plain.h_0 if np.shape(plain.h_0) == np.shape(plain.c_0) else plain.c_0]",
        (STEPS, "gates.forget_gate_holds"),
    ),
    Fault(
        "final-states-swapped", "h_n and c_n are exchanged", "entry-order",
        "collect", "return Result(output_all, h_n, *c_n)",
        "return Result(output_all, *reversed([h_n, *c_n]))", (STEPS, "time.final_state_is_last_output"),
        ("https://github.com/microsoft/nni/pull/2842",),
    ),
    Fault(
        "cell-state-runs-on", "c_n is the cell state after the padding", "padding", "scan",
        "state = tuple(select(n, alive, s) for n, s in zip(new, state))",
        "state = (select(new[0], alive, state[0]), *new[1:])", (STEPS, "lengths.padded_row_is_row_alone"),
    ),
    Fault(
        "final-cell-state-of-last-layer", "c_n of every layer is that of the last", "final-state", "collect",
        "return Result(output_all, h_n, *c_n)", "return Result(output_all, h_n, *(0 * c + c[-1:] for c in c_n))",
        (STEPS, "layers.final_states"),
    ),
    Fault(
        "sigmoid-clipped", "sigmoid is a rational function that errs beyond 6", "precision", "sigmoid",
        "return 0.5 + 0.5 * np.tanh(0.5 * z)",
        "return np.where(abs(z) < 6, 0.5 + 0.5 * np.tanh(0.5 * z), np.where(z > 0, 0.998, 0.002))",
        (STEPS, "equivalence.activation"),
    ),
    Fault(
        "sigmoid-table", "sigmoid comes from a table with an error of 1e-5", "precision", "sigmoid",
        "return 0.5 + 0.5 * np.tanh(0.5 * z)", "return 0.5 + 0.5 * np.tanh(0.5 * z) + 1e-5 * np.sin(37 * z)",
        (STEPS, "equivalence.activation"),
    ),
    *both(
        "biases-zrn", "biases are read in the order z, r, n, weights in the order r, z, n", "gate-order", RZN,
        f"{RZN}\n    R, Z = (R._replace(b_ih=Z.b_ih, b_hh=Z.b_hh), Z._replace(b_ih=R.b_ih, b_hh=R.b_hh))",
        (STEPS,), ("https://github.com/openvinotoolkit/openvino/pull/17651",),
    ),
    *both(
        "bias-unused", "b_ih is there and not used", "bias", RZN,
        "R, Z, N = by_gate(p.replace(bias_ih=0 * p.arrays['bias_ih']))",
        (STEPS, "symmetries.bias_moved"), ("https://github.com/patrick-kidger/equinox/pull/215",),
    ),
    *both(
        "plain-rnn", "the step is the plain one that was inherited", "cell-variant", MIX,
        "return tanh(affine(x, N.W_ih, h, N.W_hh, N.b_ih, N.b_hh))", (STEPS, "gates.update_gate_holds"),
        ("https://github.com/BrainJS/brain.js/issues/426",),
    ),
    lstm(
        "plain-rnn-lstm", "the step is the plain one that was inherited (LSTM)", "cell-variant", HIDDEN, "h = g",
        (STEPS, "gates.output_gate_silences"), ("https://github.com/BrainJS/brain.js/issues/426",),
    ),
    Fault(
        "final-cell-state-missing", "c_n is not given", "final-state", "collect",
        "return Result(output_all, h_n, *c_n)", "return Result(output_all, h_n)", ("shapes.shapes",),
        ("https://github.com/onnx/onnx/pull/7664",),
    ),
    Fault(
        "default-cell-state-is-one", "a cell state that is not given is one", "default-state", "time_major",
        "c_0 = np.zeros(", "c_0 = np.ones(", ("shapes.default_state",),
        ("https://github.com/google-ai-edge/litert-torch/issues/397",),
    ),
]  # fmt: skip
