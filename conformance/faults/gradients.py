"""Mistakes in back-propagation through time."""

from __future__ import annotations

from .patching import Fault

BPTT = "gradients.back_propagation"
ONE = "gradients.one_step"
SLOPES = "gradients.central_differences"
CARRIED = "d_state = tuple(select(d, alive, after) for d, after in zip(step.state, d_state))"
ADDED = "d_h = total(d_state[0], d_output[t])"
ALIVE = "alive = (t < lengths)[:, None]"
BOTH = "d_output = [total(*both) for both in zip(*halves)]"
B_IH = "b_ih = sum_over_steps([step.ih for step in passed])"
B_HH = "b_hh = sum_over_steps([step.hh for step in passed])"
W_HH = "W_hh = product_over_steps([step.hh for step in passed])"

FAULTS = [
    Fault(
        "reverse-input-bias-without-gradient", "b_ih of the reverse direction has no gradient", "missing-gradient",
        "by_name", "found |= {kind + end: array for kind, array in zip(kinds, parameters) if array is not None}",
        "found |= {kind + end: array for kind, array in zip(kinds, parameters) if array is not None}\n"
        "        found['bias_ih' + end] = found['bias_ih' + end] * (not end.endswith('reverse'))",
        (BPTT, "gradients.reversal"),
    ),
    Fault(
        "truncated", "nothing flows back from one step to the one before", "back-propagation",
        "scan_backward", CARRIED,
        "d_state = tuple(select(0 * d, alive, after) for d, after in zip(step.state, d_state))",
        (BPTT, SLOPES),
        (
            "https://github.com/qixianbiao/RNN/issues/2",
            "https://github.com/CaptainE/RNN-LSTM-in-numpy/issues/1",
            "https://github.com/mlpack/mlpack/pull/3859",
        ),
    ),
    Fault(
        "truncated-after-four", "gradients flow back over four steps at most", "back-propagation",
        "scan_backward", CARRIED,
        CARRIED + "\n        d_state = tuple(d * (len(passed) % 4 != 3) for d in d_state)",
        (BPTT,),
    ),
    Fault(
        "loss-of-last-step-only", "only the loss of the last step counts", "back-propagation", "scan_backward", ADDED,
        "d_h = total(d_state[0], d_output[t] * (not passed))", (BPTT, SLOPES),
        ("https://github.com/FluxML/Flux.jl/issues/2185",),
    ),
    Fault(
        "gradient-of-final-state-lost", "a loss on h_n is ignored", "gradient-buffers", "cotangents",
        "    return [lift(d) for d in",
        "    d_final = [(0 * h, *others) for h, *others in d_final]\n    return [lift(d) for d in",
        (BPTT, SLOPES),
    ),
    Fault(
        "gradient-of-cell-state-lost", "a loss on c_n is ignored", "gradient-buffers", "cotangents",
        "    return [lift(d) for d in",
        "    d_final = [(h, *(0 * c for c in others)) for h, *others in d_final]\n    return [lift(d) for d in",
        (BPTT, "gradients.split"),
    ),
    Fault(
        "gradient-needs-output-loss", "without a loss on the output nothing is computed", "gradient-buffers",
        "gradients",
        "d_x, d_final = cotangents(case, d_output, d_h_n, d_c_n, arithmetic)",
        "no_loss = d_output is None\n"
        "    d_x, d_final = cotangents(case, d_output, d_h_n, d_c_n, arithmetic)\n"
        "    d_final = [tuple(d * (not no_loss) for d in entry) for entry in d_final]",
        ("gradients.none_is_zero", "gradients.each_result"),
        ("https://github.com/chainer/chainer/pull/8037",),
    ),
    Fault(
        "gradient-of-padding", "the loss on padding counts", "padding", "scan_backward", ALIVE,
        "alive = (t < lengths + len(calls))[:, None]", ("gradients.padding_has_none",),
    ),
    Fault(
        "reverse-gradient-overwritten", "the gradient of x is that of one direction only", "gradient-buffers",
        "run_backward", BOTH,
        "d_output = halves[0]", (BPTT, "gradients.reversal"), ("https://github.com/apache/mxnet/pull/18203",),
    ),
    Fault(
        "middle-layer-gradient-overwritten", "below the third layer, gradients of different steps are added up",
        "gradient-buffers",
        "run_backward", BOTH,
        BOTH + "\n        d_output = [d + (layer > 1) * e for d, e in zip(d_output, d_output[::-1])]",
        (BPTT,), ("https://github.com/apache/mxnet/issues/17898",),
    ),
    Fault(
        "reverse-gradient-in-walking-order", "the reverse direction walks back in the wrong order", "back-propagation",
        "scan_backward",
        "zip(steps if reverse else reversed(steps), reversed(calls))",
        "zip(reversed(steps), calls if reverse else reversed(calls))", (BPTT, "gradients.reversal"),
    ),
    Fault(
        "bias-gradient-of-one-row", "the bias gradient is a mean over rows, not a sum", "back-propagation",
        "sum_over_steps",
        "return join(*(outer(ones_like(d), d) for d in blocks))[0]",
        "return join(*(outer(ones_like(d), d) / len(steps[0][0][0]) for d in blocks))[0]", (BPTT, ONE),
    ),
    Fault(
        "bias-gradient-missing", "b_hh has no gradient", "missing-gradient",
        "parameter_gradients", B_HH, f"{B_HH}\n    b_hh = 0 * b_hh",
        (BPTT, ONE, SLOPES), ("https://github.com/tracel-ai/burn/pull/5235",),
    ),
    Fault(
        "bias-gradient-last-step", "the bias gradient is that of the first step only", "back-propagation",
        "parameter_gradients", B_IH,
        "b_ih = sum_over_steps([step.ih for step in passed[-1:]])", (BPTT,),
    ),
    Fault(
        "bias-gradient-shifted", "each gate has the bias gradient of the next", "missing-gradient",
        "parameter_gradients", B_IH,
        f"{B_IH}\n    b_ih = np.roll(b_ih, len(p.W_hh.T))", (BPTT, ONE),
    ),
    Fault(
        "recurrent-gradient-transposed", "the gradient of W_hh is transposed", "back-propagation",
        "parameter_gradients", W_HH,
        f"{W_HH}\n    W_hh = W_hh.T if W_hh.shape[0] == W_hh.shape[1] else W_hh", (BPTT, "gradients.integer_networks"),
    ),
    Fault(
        "state-gradient-transposed", "the state's gradient goes through W_hh, not its transpose", "back-propagation",
        "rnn_tanh_backward",
        "d_h = linear(d_z, p.W_hh.T, 0.0)", "d_h = linear(d_z, p.W_hh, 0.0)", (BPTT, ONE),
    ),
    Fault(
        "tanh-slope-of-argument", "the slope of tanh is taken at its argument", "back-propagation",
        "rnn_tanh_backward",
        "y = tanh(affine(x, p.W_ih, h, p.W_hh, p.b_ih, p.b_hh))", "y = affine(x, p.W_ih, h, p.W_hh, p.b_ih, p.b_hh)",
        (BPTT, ONE, SLOPES),
    ),
    Fault(
        "relu-slope-one", "the gradient passes ReLU where it is zero", "back-propagation",
        "relu_slope", "np.where(z > 0, 1.0, 0.0)",
        "np.where(z > 0, 1.0, 1.0)", (BPTT, "gradients.integer_networks"),
    ),
    Fault(
        "relu-slope-of-h", "the slope of ReLU is scaled by 0.999", "back-propagation",
        "rnn_relu_backward", "d_z = d * relu_slope(z)",
        "d_z = 0.999 * d * relu_slope(z)", (BPTT, "gradients.integer_networks"),
    ),
    Fault(
        "reset-missing-in-gradient", "the reset gate is missing in the gradient of W_hn and b_hn", "back-propagation",
        "gru_backward",
        "d_q = join(d_r, d_z, d_n * r)", "d_q = join(d_r, d_z, d_n)", (BPTT, ONE),
    ),
    Fault(
        "update-gradient-sign", "the gradient of the update gate has the wrong sign", "back-propagation",
        "gru_backward",
        "d_z = d * (h - n) * sigmoid_slope(z)", "d_z = d * (n - h) * sigmoid_slope(z)", (BPTT, ONE, SLOPES),
    ),
    Fault(
        "kept-state-has-no-gradient", "what the update gate keeps hands no gradient on", "back-propagation",
        "gru_backward",
        "total(linear(d_q, p.W_hh.T, 0.0), d * z)", "linear(d_q, p.W_hh.T, 0.0)", (BPTT, ONE),
    ),
    Fault(
        "reset-state-has-no-gradient", "the state hands on no gradient through the reset product", "back-propagation",
        "gru_reset_before_backward", "d_rh * r, d * z)", "d * z)", (BPTT, ONE),
    ),
    Fault(
        "reset-product-unreset", "the gradient of W_hn multiplies h, not r h", "back-propagation",
        "gru_reset_before_backward",
        "(d_n, r * h)]", "(d_n, h)]", (BPTT, ONE),
    ),
    Fault(
        "forget-slope-missing", "the forget gate stands in for its slope", "back-propagation", "lstm_backward",
        "d_f = d_c * c * sigmoid_slope(f)", "d_f = d_c * c * f", (BPTT, ONE, SLOPES),
        ("https://github.com/CaptainE/RNN-LSTM-in-numpy/issues/1",),
    ),
    Fault(
        "cell-gradient-not-carried", "the gradient of the cell state ends at each step", "back-propagation",
        "lstm_backward",
        "(d_before, d_c * f)", "(d_before, 0 * d_c)", (BPTT, ONE),
        ("https://github.com/CaptainE/RNN-LSTM-in-numpy/issues/1",),
    ),
    Fault(
        "cell-slope-missing", "the slope of tanh is missing between h and c", "back-propagation", "lstm_backward",
        "d_c = total(d_c, d_h * o * tanh_slope(y))", "d_c = total(d_c, d_h * o)", (BPTT, ONE),
    ),
    Fault(
        "output-gradient-of-cell", "the gradient of the output gate has c in place of tanh(c)", "back-propagation",
        "lstm_backward",
        "d_o = d_h * y * sigmoid_slope(o)", "d_o = d_h * (f * c + i * g) * sigmoid_slope(o)", (BPTT, ONE),
    ),
    Fault(
        "gates-of-one-delta", "input and output gate have the delta of the forget gate", "back-propagation",
        "lstm_backward",
        "d_z = join(d_i, d_f, d_g, d_o)", "d_z = join(d_f, d_f, d_g, d_f)", (BPTT, ONE),
        ("https://github.com/hanbt/learn_dl/issues/53",),
    ),
    Fault(
        "gradient-gates-ifog", "forward and backward pack the gates in different orders", "back-propagation",
        "lstm_backward",
        "d_z = join(d_i, d_f, d_g, d_o)", "d_z = join(d_i, d_f, d_o, d_g)", (BPTT, ONE),
        ("https://github.com/ooples/AiDotNet.Tensors/pull/907",),
    ),
    Fault(
        "projection-gradient-unprojected", "the gradient of W_hr misses the output gate", "back-propagation",
        "lstm_projected_backward",
        "unprojected, _ = lstm(x, state, p)", "_, c = lstm(x, state, p)\n    unprojected = tanh(c)", (BPTT, ONE),
    ),
    Fault(
        "state-gradient-upper-layers", "initial states above the lowest layer have no gradient", "missing-gradient",
        "by_name",
        "states = [stack(list(entries)) for entries in zip(*d_states)]",
        "states = [stack([d * (k < D) for k, d in enumerate(entries)]) for entries in zip(*d_states)]",
        (BPTT, ONE),
    ),
    Fault(
        "gradient-clipped", "gradients are clipped at 1", "back-propagation", "by_name", "return {name: found[name]",
        "return {name: np.clip(found[name], -1, 1)", ("gradients.linear", BPTT),
    ),
    Fault(
        "gradient-accumulates", "gradients are added to those of the call before", "kept-between-calls", "by_name",
        "return {name: found[name] for name, _ in case.arrays()}",
        "before = by_name.__dict__.setdefault('kept', {})\n"
        "    for name in found:\n"
        "        if name in before and before[name].shape == found[name].shape:\n"
        "            found[name] = found[name] + before[name]\n"
        "    before.update(found)\n"
        "    return {name: found[name] for name, _ in case.arrays()}",
        (BPTT, "gradients.linear"),
    ),
    Fault(
        "gradient-of-x-time-major", "with batch_first, the gradient of x is mixed up", "batch-axis", "by_name",
        'found["x"] = swap_steps_and_rows(found["x"])', 'found["x"] = found["x"].reshape(case.x.shape)',
        ("gradients.batch_first",),
    ),
    Fault(
        "gradient-of-x-missing-axis", "the gradient of x has lost its batch axis where it is one", "batch-axis",
        "by_name",
        "    if case.unbatched:\n",
        "    found['x'] = found['x'][:, 0] if found['x'].shape[1] == 1 else found['x']\n    if case.unbatched:\n",
        ("gradients.shapes",),
    ),
    Fault(
        "gradient-walks-forwards", "the slopes of the steps are multiplied in the order of time", "back-propagation",
        "scan_backward", "zip(steps if reverse else reversed(steps), reversed(calls))",
        "zip(reversed(steps) if reverse else steps, calls)", (BPTT, "gradients.split"),
        ("https://github.com/elixir-nx/axon/pull/646",),
    ),
    Fault(
        "bias-gradient-of-upper-layers-missing", "biases of layers above the first have no gradient",
        "missing-gradient", "run_backward", "d_parameters.insert(0, parameter_gradients(p, pairs))",
        "found = parameter_gradients(p, pairs)\n"
        "            found = found._replace(b_ih=found.b_ih * (layer == 0), b_hh=found.b_hh * (layer == 0))\n"
        "            d_parameters.insert(0, found)",
        (BPTT,), ("https://github.com/apache/mxnet/pull/17872",),
    ),
    Fault(
        "reset-gate-kept-unactivated", "the buffer of the reset gate holds it before its sigmoid", "gradient-buffers",
        "gru_backward", "d_n = d * (1 - z) * tanh_slope(n)",
        "d_n = d * (1 - z) * tanh_slope(n)\n    r = affine(x, R.W_ih, h, R.W_hh, R.b_ih, R.b_hh)", (BPTT, ONE, SLOPES),
        ("https://github.com/microsoft/onnxruntime/issues/16862",),
    ),
    Fault(
        "gradient-of-nan-in-padding", "zero times the NaN in the padding is NaN", "padding", "scan_backward",
        "read = select(x, alive, 0.0)", "read = x", (BPTT,), ("https://github.com/tensorflow/tensorflow/issues/6209",),
    ),
    Fault(
        "truncated-after-eight", "gradients flow back over eight steps at most", "back-propagation", "scan_backward",
        CARRIED, CARRIED + "\n        d_state = tuple(d * (len(passed) != 8) for d in d_state)", (BPTT,),
    ),
    Fault(
        "cell-gradient-truncated-after-eight", "the gradient of the cell state flows back over eight steps at most",
        "back-propagation", "scan_backward", CARRIED,
        CARRIED + "\n        d_state = (d_state[0], *(d * (len(passed) != 8) for d in d_state[1:]))", (BPTT,),
    ),
    Fault(
        "third-layer-gradient-halved", "the recurrent weights of the third layer have half their gradient",
        "back-propagation", "run_backward", "d_parameters.insert(0, parameter_gradients(p, pairs))",
        "found = parameter_gradients(p, pairs)\n"
        "            d_parameters.insert(0, found._replace(W_hh=found.W_hh * (0.5 if layer == 2 else 1.0)))",
        (BPTT,),
    ),
    Fault(
        "wide-gradient-lost", "what units from 17 on hand back is lost", "back-propagation", "scan_backward", ADDED,
        f"{ADDED}\n        d_h = d_h * (np.arange(d_h.shape[1]) < 16)", (BPTT,),
    ),
    Fault(
        "tail-of-four-without-gradient", "input features beyond the last multiple of four have no gradient",
        "second-path", "scan_backward", "d_x[t] = select(step.x, alive, 0.0)",
        "d_x[t] = select(step.x, alive, 0.0)\n"
        "        d_x[t] = d_x[t] * (np.arange(d_x[t].shape[1]) < max(4, d_x[t].shape[1] // 4 * 4))",
        (BPTT,),
    ),
    Fault(
        "gradient-of-one-row-lost", "the third row of a batch hands nothing back", "back-propagation", "scan_backward",
        ADDED, f"{ADDED}\n        d_h = d_h * (np.arange(len(d_h)) != 2)[:, None]", (BPTT,),
    ),
    Fault(
        "gradient-without-bias-halved", "without biases, recurrent weights have half their gradient", "second-path",
        "parameter_gradients", W_HH, f"{W_HH}\n    W_hh = W_hh * (1.0 if p.b_ih.any() or p.b_hh.any() else 0.5)",
        (BPTT,),
    ),
    Fault(
        "length-zero-without-gradient", "the initial state of a row of length 0 has no gradient", "empty",
        "scan_backward", "return d_x, d_state, passed",
        "return d_x, tuple(d * (lengths > 0)[:, None] for d in d_state), passed", (BPTT,),
    ),
    Fault(
        "gradient-of-15-bits", "what is handed back is rounded to 15 significant bits", "precision", "scan_backward",
        ADDED,
        f"{ADDED}\n        d_h = np.round(d_h * 2.0 ** (15 - np.frexp(d_h)[1])) * 2.0 ** (np.frexp(d_h)[1] - 15)",
        (BPTT,),
    ),
    Fault(
        "race-for-a-gradient", "in one call of seven, one direction's gradient of x is overwritten", "gradient-buffers",
        "run_backward", BOTH,
        "run_backward.__dict__['calls'] = run_backward.__dict__.get('calls', 0) + 1\n"
        "        d_output = [total(*(both if run_backward.__dict__['calls'] % 7 else both[:-1] or both))"
        " for both in zip(*halves)]",
        (BPTT,),
    ),
    Fault(
        "gradient-by-the-first-weights", "gradients are computed with the weights of the first call", "stale-weights",
        "gradients", "plain = time_major(case.check())",
        "plain = time_major(case.check())\n"
        "    kept = gradients.__dict__.setdefault(str(plain.config), plain.parameters)\n"
        "    plain = plain.replace(parameters=kept)",
        (BPTT, "gradients.reversal"),
    ),
    Fault(
        "cotangent-overwritten", "the gradient of the output is used as scratch memory", "changed-inputs", "gradients",
        "d_x, d_final = cotangents(case, d_output, d_h_n, d_c_n, arithmetic)",
        "d_x, d_final = cotangents(case, d_output, d_h_n, d_c_n, arithmetic)\n"
        "    if d_output is not None and d_output.flags.writeable:\n"
        "        d_output[...] = 0",
        ("gradients.shapes",), ("https://github.com/apache/mxnet/pull/18203",),
    ),
    Fault(
        "half-precision-gradient", "gradients in float16 have a formula of their own", "second-path", "by_name",
        'states = [stack(list(entries)) for entries in zip(*d_states)]',
        "states = [stack(list(entries)) * (0.875 if case.config.dtype == 'float16' else 1.0)"
        " for entries in zip(*d_states)]",
        (BPTT, ONE), ("https://github.com/pytorch/pytorch/pull/4611",),
    ),
    Fault(
        "gradients-of-16-bits-in-float32", "in float32 gradients have 16 significant bits", "precision", "by_name",
        "return {name: found[name]",
        "if case.config.dtype == 'float32':\n"
        "        for name, g in found.items():\n"
        "            found[name] = np.round(g * 2.0 ** (16 - np.frexp(g)[1])) * 2.0 ** (np.frexp(g)[1] - 16)\n"
        "    return {name: found[name]",
        (BPTT,),
    ),
    Fault(
        "wide-input-without-gradient", "weights of input features from the seventeenth on have no gradient",
        "missing-gradient", "parameter_gradients", "W_ih = product_over_steps([step.ih for step in passed])",
        "W_ih = product_over_steps([step.ih for step in passed])\n    W_ih = W_ih * (np.arange(W_ih.shape[1]) < 16)",
        (BPTT,),
    ),
    Fault(
        "projection-gradient-of-upper-layers-missing", "projections above the first layer have no gradient",
        "missing-gradient", "run_backward", "d_parameters.insert(0, parameter_gradients(p, pairs))",
        "found = parameter_gradients(p, pairs)\n"
        "            found = found if layer == 0 or p.W_hr is None else found._replace(W_hr=0 * found.W_hr)\n"
        "            d_parameters.insert(0, found)",
        (BPTT,),
    ),
]  # fmt: skip
