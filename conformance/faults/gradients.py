"""Mistakes in back-propagation through time.

Most are patches of the forward text, in which ``passed_back`` leaves every number as it is and changes what is handed
back: a way back is an operand, and what becomes of a gradient d on its way to it.
"""

from __future__ import annotations

from .patching import Fault

BPTT = "gradients.back_propagation"
ONE = "gradients.one_step"
SLOPES = "gradients.central_differences"

# The loop over time, and what surrounds it
ALIVE = "alive = (t < lengths)[:, None]"
STEP = "new = step(x[t], before, p)"
OUTPUT = "output[t] = select(state[0], alive, 0.0)"
STEP_TO_OUTPUT = f"""\
{STEP}
        state = tuple(select(n, alive, s) for n, s in zip(new, state))
        {OUTPUT}"""
NEXT = "before = state if own is None else (returned(state[0], own[t], alive), *state[1:])"
BEFORE = "    before = state\n"
STEPS_LEFT = "(t if reverse else len(x) - 1 - t)"
DIRECTIONS = "for reverse, p in enumerate(directions):"
SCAN = "output, state = scan(step, p, x, state, lengths, reverse)"

# The steps
Z = "z = affine(x, H.W_ih, h, H.W_hh, H.b_ih, H.b_hh)"
RESET = "r = sigmoid(affine(x, R.W_ih, h, R.W_hh, R.b_ih, R.b_hh))"
AFTER = "n = tanh(linear(x, N.W_ih, N.b_ih) + r * q)"
RESET_TO_AFTER = (
    f"{RESET}\n"
    "    z = sigmoid(affine(x, Z.W_ih, h, Z.W_hh, Z.b_ih, Z.b_hh))\n"
    "    q = linear(h, N.W_hh, N.b_hh)\n"
    f"    {AFTER}"
)
BEFORE_PRODUCT = "n = tanh(affine(x, N.W_ih, r * h, N.W_hh, N.b_ih, N.b_hh))"
MIX = "return mix(z, n, h)"
CELL = "c = f * c + i * g"
SUMS = {gate: f"affine(x, {gate}.W_ih, h, {gate}.W_hh, {gate}.b_ih, {gate}.b_hh)" for gate in "IFGO"}
GATES = (
    f"i = sigmoid({SUMS['I']})\n    f = sigmoid({SUMS['F']})\n    g = tanh({SUMS['G']})\n    {CELL}\n"
    f"    o = sigmoid({SUMS['O']})"
)
HIDDEN = "h = o * tanh(c)"

# Gradients by name
WEIGHTS = "found = {kind: weight.gradient for kind, weight in p.arrays.items()}"
ENTRIES = "for entry, parameters in enumerate(d_parameters):"
PLAIN = "plain = without_padding(time_major(case.check()))"
COTANGENTS = "d_after, d_final = cotangents(case, d_output, d_h_n, d_c_n, arithmetic)"
RUN = "after, final = run(step, layers, x, initial, plain.row_lengths, lifted_masks(plain, masks, arithmetic))"


def through_time(change: str, after: str) -> tuple[str, str]:
    """A patch of the loop: what goes back from one step to the one before is changed."""
    way = f"passed_back(s, (s, {change}))"
    return ALIVE, f"{ALIVE}\n        left = {STEPS_LEFT}\n        state = before = {after.format(way=way)}"


def into_step(change: str) -> tuple[str, str]:
    """A patch of the loop: what goes back into the output of a step is changed."""
    return STEP, f"{STEP}\n        new = (passed_back(new[0], (new[0], {change})), *new[1:])"


def walked(order: str) -> str:
    """A patch of the loop: the way back goes through the steps as if they had been taken in another order."""
    return (
        "output[t] = (output[t], before)\n"
        "        before = state\n"
        "    same, final, state = (lambda d: d), state, output[-reverse][1] if x else state\n"
        f"    for t in {order}:\n"
        "        (out, then), alive = output[t], (t < lengths)[:, None]\n"
        "        new = step(x[t], tuple(passed_back(s, (now, same)) for s, now in zip(then, state)), p)\n"
        "        state = tuple(select(n, alive, s) for n, s in zip(new, state))\n"
        "        output[t] = passed_back(out, (select(state[0], alive, 0.0), same))\n"
        "    return output, tuple(passed_back(s, (now, same)) for s, now in zip(final, state))"
    )


def first_with(key: str, **kept: str) -> tuple[str, str]:
    """A patch of what the gradients are of: some of it is that of the first call with the same key."""
    known = ", ".join(f"{name}={array}" for name, array in kept.items())
    return PLAIN, (
        f"key = (case.config, case.h_0 is None, *{key})\n"
        f"    case = case.replace(**gradients.__dict__.setdefault(key, dict({known})))\n"
        f"    {PLAIN}"
    )


FAULTS = [
    Fault(
        "gradients-at-lengths-before", "gradients are those at the lengths of an earlier call with the same arrays",
        "kept-between-calls", "gradients",
        *first_with("(a.tobytes() for _, a in case.arrays())", lengths="case.lengths"),
        ("gradients.calls_are_independent",),
    ),
    Fault(
        "gradients-at-states-before", "gradients are those at the initial states of an earlier call with the same x",
        "kept-between-calls", "gradients",
        *first_with(
            "(*case.row_lengths, case.x.tobytes(), *(a.tobytes() for a in case.parameters.values()))",
            h_0="case.h_0", c_0="case.c_0",
        ),
        ("gradients.calls_are_independent",),
    ),
    Fault(
        "reverse-input-bias-without-gradient", "b_ih of the reverse direction has no gradient", "missing-gradient",
        "by_name", "found |= {kind + end: array for kind, array in parameters.items()}",
        "found |= {kind + end: array for kind, array in parameters.items()}\n"
        "        found['bias_ih' + end] = found['bias_ih' + end] * (not end.endswith('reverse'))",
        (BPTT, "gradients.reversal"),
    ),
    Fault(
        "truncated", "nothing flows back from one step to the one before", "back-propagation", "scan",
        STEP,
        "new = step(x[t], tuple(passed_back(s, (s, lambda d: 0 * d)) for s in before), p)",
        (BPTT, SLOPES), (
            "https://github.com/qixianbiao/RNN/issues/2",
            "https://github.com/CaptainE/RNN-LSTM-in-numpy/issues/1",
            "https://github.com/mlpack/mlpack/pull/3859",
        ),
    ),
    Fault(
        "truncated-after-four", "gradients flow back over four steps at most", "back-propagation", "scan",
        *through_time("lambda d, left=left: d * (left % 4 != 3)", "tuple({way} for s in state)"),
        (BPTT,),
    ),
    Fault(
        "loss-of-last-step-only", "only the loss of the last step counts", "back-propagation", "scan",
        OUTPUT,
        f"{OUTPUT}\n"
        f"        last = not {STEPS_LEFT}\n"
        "        output[t] = passed_back(output[t], (output[t], lambda d, last=last: d * last))",
        (BPTT, SLOPES), ("https://github.com/FluxML/Flux.jl/issues/2185",),
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
        COTANGENTS,
        "no_loss = d_output is None\n"
        f"    {COTANGENTS}\n"
        "    d_final = [tuple(d * (not no_loss) for d in entry) for entry in d_final]",
        ("gradients.none_is_zero", "gradients.each_result"), ("https://github.com/chainer/chainer/pull/8037",),
    ),
    Fault(
        "gradient-of-padding", "the loss on padding counts", "padding", "gradients",
        RUN,
        "kept, calls = lifted_masks(plain, masks, arithmetic), []\n"
        "        x = [Traced(x_t, tape) for x_t in lifted(time_major(case), arithmetic)[0]]\n"
        "        run(lambda *call: calls.append(call) or step(*call), layers, x, initial, plain.row_lengths, kept)\n"
        "        plain, told = plain.replace(lengths=None), iter(calls)\n"
        "        def again(x, state, p):\n"
        "            then, before, _ = next(told)\n"
        "            return step(back_to(then, x), tuple(map(back_to, before, state)), p)\n"
        "        back_to = lambda then, now: passed_back(then, (now, lambda d: d))\n"
        "        after, final = run(again, layers, x, initial, plain.row_lengths, kept)",
        ("gradients.padding_has_none",),
    ),
    Fault(
        "reverse-gradient-overwritten", "the gradient of x is that of one direction only", "gradient-buffers", "run",
        SCAN,
        "read = x if reverse == len(directions) - 1 else [passed_back(x_t) for x_t in x]\n"
        "            output, state = scan(step, p, read, state, lengths, reverse)",
        (BPTT, "gradients.reversal"), ("https://github.com/apache/mxnet/pull/18203",),
    ),
    Fault(
        "middle-layer-gradient-overwritten", "below the third layer, gradients of different steps are added up",
        "gradient-buffers", "run",
        DIRECTIONS,
        "if len(final) // len(directions) > 1:\n"
        "            same = lambda d: d\n"
        "            x = [passed_back(a, (a, same), (b, same)) for a, b in zip(x, x[::-1])]\n"
        f"        {DIRECTIONS}",
        (BPTT,), ("https://github.com/apache/mxnet/issues/17898",),
    ),
    Fault(
        "reverse-gradient-in-walking-order", "the reverse direction walks back in the wrong order", "back-propagation",
        "scan",
        f"{NEXT}\n    return output, state",
        walked("steps"),
        (BPTT, "gradients.reversal"),
    ),
    Fault(
        "bias-gradient-of-one-row", "the bias gradient is a mean over rows, not a sum", "back-propagation", "by_name",
        ENTRIES,
        f"{ENTRIES}\n"
        "        means = {kind: parameters[kind] / case.num_rows for kind in ('bias_ih', 'bias_hh')}\n"
        "        parameters = parameters | means",
        (BPTT, ONE),
    ),
    Fault(
        "bias-gradient-missing", "b_hh has no gradient", "missing-gradient", "parameter_gradients",
        WEIGHTS,
        f"{WEIGHTS}\n    found['bias_hh'] = 0 * found['bias_hh']",
        (BPTT, ONE, SLOPES), ("https://github.com/tracel-ai/burn/pull/5235",),
    ),
    Fault(
        "bias-gradient-last-step", "the bias gradient is that of the first step only", "back-propagation", "gradients",
        "backward(tape)",
        "backward(tape)\n"
        "    for directions in layers:\n"
        "        for reverse, p in enumerate(directions):\n"
        "            for ds, _ in p.arrays['bias_ih'].pairs.values():\n"
        "                ds[:] = ds[:1] if reverse else ds[-1:]",
        (BPTT,),
    ),
    Fault(
        "bias-gradient-shifted", "each gate has the bias gradient of the next", "missing-gradient",
        "parameter_gradients",
        WEIGHTS,
        f"{WEIGHTS}\n    found['bias_ih'] = np.roll(found['bias_ih'], p.arrays['weight_hh'].shape[1])",
        (BPTT, ONE),
    ),
    Fault(
        "recurrent-gradient-transposed", "the gradient of W_hh is transposed", "back-propagation",
        "parameter_gradients",
        WEIGHTS,
        f"{WEIGHTS}\n"
        "    W_hh = found['weight_hh']\n"
        "    found['weight_hh'] = W_hh.T if W_hh.shape[0] == W_hh.shape[1] else W_hh",
        (BPTT, "gradients.integer_networks"),
    ),
    Fault(
        "state-gradient-transposed", "the state's gradient goes through W_hh, not its transpose", "back-propagation",
        "rnn_tanh",
        Z,
        f"{Z.replace(' h,', ' passed_back(h),')}\n"
        "    z = passed_back(z, (z, lambda d: d), (h, lambda d: linear(d, H.W_hh.value, 0.0)))",
        (BPTT, ONE),
    ),
    Fault(
        "tanh-slope-of-argument", "the slope of tanh is taken at its argument", "back-propagation", "rnn_tanh",
        "return tanh(z)",
        "return passed_back(tanh(z), (z, lambda d: d * (1 - z.value * z.value)))",
        (BPTT, ONE, SLOPES),
    ),
    Fault(
        "relu-slope-one", "the gradient passes ReLU where it is zero", "back-propagation", "rnn_relu",
        "return relu(z)",
        "return passed_back(relu(z), (z, lambda d: d))",
        (BPTT, "gradients.integer_networks"),
    ),
    Fault(
        "relu-slope-of-h", "the slope of ReLU is scaled by 0.999", "back-propagation", "rnn_relu",
        "return relu(z)",
        "return relu(passed_back(z, (z, lambda d: 0.999 * d)))",
        (BPTT, "gradients.integer_networks"),
    ),
    Fault(
        "reset-missing-in-gradient", "the reset gate is missing in the gradient of W_hn and b_hn", "back-propagation",
        "gru",
        AFTER,
        AFTER.replace("r * q", "passed_back(r * q, (r, lambda d: d * q.value), (q, lambda d: d))"),
        (BPTT, ONE),
    ),
    Fault(
        "update-gradient-sign", "the gradient of the update gate has the wrong sign", "back-propagation", "gru",
        MIX,
        MIX.replace("z,", "passed_back(z, (z, lambda d: -d)),"),
        (BPTT, ONE, SLOPES),
    ),
    Fault(
        "kept-state-has-no-gradient", "what the update gate keeps hands no gradient on", "back-propagation", "gru",
        MIX,
        MIX.replace("h)", "passed_back(h))"),
        (BPTT, ONE),
    ),
    Fault(
        "reset-state-has-no-gradient", "the state hands on no gradient through the reset product", "back-propagation",
        "gru_reset_before",
        BEFORE_PRODUCT,
        BEFORE_PRODUCT.replace("r * h", "passed_back(r * h, (r, lambda d: d * h.value))"),
        (BPTT, ONE),
    ),
    Fault(
        "reset-product-unreset", "the gradient of W_hn multiplies h, not r h", "back-propagation", "gru_reset_before",
        BEFORE_PRODUCT,
        "z_n = affine(x, N.W_ih, r * h, passed_back(N.W_hh), N.b_ih, passed_back(N.b_hh))\n"
        "    of_h = linear(passed_back(h), N.W_hh, N.b_hh)\n"
        "    n = tanh(passed_back(z_n, (z_n, lambda d: d), (of_h, lambda d: d)))",
        (BPTT, ONE), hint="the gradient of W_hn multiplies h alone",
    ),
    Fault(
        "forget-slope-missing", "the forget gate stands in for its slope", "back-propagation", "lstm",
        f"f = sigmoid({SUMS['F']})",
        f"z_f = {SUMS['F']}\n"
        "    f = passed_back(sigmoid(z_f), (z_f, lambda d: d * f.value))",
        (BPTT, ONE, SLOPES), ("https://github.com/CaptainE/RNN-LSTM-in-numpy/issues/1",),
    ),
    Fault(
        "cell-gradient-not-carried", "the gradient of the cell state ends at each step", "back-propagation", "lstm",
        "c = f * c + i * g",
        "c = f * passed_back(c, (c, lambda d: 0 * d)) + i * g",
        (BPTT, ONE), ("https://github.com/CaptainE/RNN-LSTM-in-numpy/issues/1",),
    ),
    Fault(
        "cell-slope-missing", "the slope of tanh is missing between h and c", "back-propagation", "lstm",
        HIDDEN,
        HIDDEN.replace("tanh(c)", "passed_back(tanh(c), (c, lambda d: d))"),
        (BPTT, ONE),
    ),
    Fault(
        "output-gradient-of-cell", "the gradient of the output gate has c in place of tanh(c)", "back-propagation",
        "lstm",
        HIDDEN,
        "y = tanh(c)\n"
        "    h = passed_back(o * y, (o, lambda d: d * c.value), (y, lambda d: d * o.value))",
        (BPTT, ONE), hint="the gradient of the output gate multiplies c",
    ),
    Fault(
        "gates-of-one-delta", "input and output gate have the delta of the forget gate", "back-propagation", "lstm",
        GATES,
        f"z_i, z_f, z_o = {SUMS['I']}, {SUMS['F']}, {SUMS['O']}\n"
        "    i, o = sigmoid(passed_back(z_i)), sigmoid(passed_back(z_o))\n"
        "    f = sigmoid(passed_back(z_f, *((z, lambda d: d) for z in (z_i, z_f, z_o))))\n"
        f"    g = tanh({SUMS['G']})\n    {CELL}",
        (BPTT, ONE), ("https://github.com/hanbt/learn_dl/issues/53",),
    ),
    Fault(
        "gradient-gates-ifog", "forward and backward pack the gates in different orders", "back-propagation", "lstm",
        GATES,
        f"i, f = sigmoid({SUMS['I']}), sigmoid({SUMS['F']})\n"
        f"    z_g, z_o = {SUMS['G']}, {SUMS['O']}\n"
        "    g, o = tanh(passed_back(z_g, (z_o, lambda d: d))), sigmoid(passed_back(z_o, (z_g, lambda d: d)))\n"
        f"    {CELL}",
        (BPTT, ONE, "gradients.first_look"), ("https://github.com/ooples/AiDotNet.Tensors/pull/907",),
    ),
    Fault(
        "projection-gradient-unprojected", "the gradient of W_hr misses the output gate", "back-propagation",
        "lstm",
        HIDDEN,
        f"{HIDDEN}\n"
        "    if 'weight_hr' in p.arrays:\n"
        "        W_hr = p.arrays['weight_hr']\n"
        "        of_h, of_c = linear(h, passed_back(W_hr), 0.0), linear(passed_back(tanh(c)), W_hr, 0.0)\n"
        "        return passed_back(of_h, (of_h, lambda d: d), (of_c, lambda d: d)), c",
        (BPTT, ONE),
    ),
    Fault(
        "state-gradient-upper-layers", "initial states above the lowest layer have no gradient", "missing-gradient",
        "by_name",
        "states = [stack(*entries) for entries in zip(*d_states)]",
        "states = [stack(*(d * (k < D) for k, d in enumerate(entries))) for entries in zip(*d_states)]",
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
        "scan",
        f"{NEXT}\n    return output, state",
        walked("steps if reverse else reversed(steps)"),
        (BPTT, "gradients.split"), ("https://github.com/elixir-nx/axon/pull/646",),
    ),
    Fault(
        "bias-gradient-of-upper-layers-missing", "biases of layers above the first have no gradient",
        "missing-gradient", "by_name",
        ENTRIES,
        f"{ENTRIES}\n"
        "        biases = {kind: parameters[kind] * (entry < D) for kind in ('bias_ih', 'bias_hh')}\n"
        "        parameters = parameters | biases",
        (BPTT,), ("https://github.com/apache/mxnet/pull/17872",),
    ),
    Fault(
        "reset-gate-kept-unactivated", "the buffer of the reset gate holds it before its sigmoid", "gradient-buffers",
        "gru",
        RESET_TO_AFTER,
        RESET_TO_AFTER.replace(
            RESET,
            f"z_r = {RESET[len('r = sigmoid(') : -1]}\n"
            "    r = passed_back(sigmoid(z_r), (z_r, lambda d: d * z_r.value * (1 - z_r.value)))",
        ).replace("r * q", "passed_back(r * q, (r, lambda d: d * q.value), (q, lambda d: d * z_r.value))"),
        (BPTT, ONE, SLOPES), ("https://github.com/microsoft/onnxruntime/issues/16862",),
    ),
    Fault(
        "gradient-of-nan-in-padding", "zero times the NaN in the padding is NaN", "padding", "gradients",
        PLAIN,
        "plain = time_major(case.check())",
        ("gradients.padding_is_not_read",), ("https://github.com/tensorflow/tensorflow/issues/6209",),
    ),
    Fault(
        "truncated-after-eight", "gradients flow back over eight steps at most", "back-propagation", "scan",
        *through_time("lambda d, left=left: d * (left != 8)", "tuple({way} for s in state)"),
        (BPTT,),
    ),
    Fault(
        "cell-gradient-truncated-after-eight", "the gradient of the cell state flows back over eight steps at most",
        "back-propagation", "scan",
        *through_time("lambda d, left=left: d * (left != 8)", "(state[0], *({way} for s in state[1:]))"),
        (BPTT,),
    ),
    Fault(
        "third-layer-gradient-halved", "the recurrent weights of the third layer have half their gradient",
        "back-propagation", "by_name",
        ENTRIES,
        f"{ENTRIES}\n"
        "        halved = parameters['weight_hh'] * (0.5 if entry // D == 2 else 1.0)\n"
        "        parameters = parameters | {'weight_hh': halved}",
        (BPTT,),
    ),
    Fault(
        "wide-gradient-lost", "what units from 17 on hand back is lost", "back-propagation", "scan",
        *into_step("lambda d: d * (np.arange(d.shape[1]) < 16)"),
        (BPTT,),
    ),
    Fault(
        "tail-of-four-without-gradient", "input features beyond the last multiple of four have no gradient",
        "second-path", "scan",
        STEP,
        "tail = lambda d: d * (np.arange(d.shape[1]) < max(4, d.shape[1] // 4 * 4))\n"
        f"        {STEP.replace('x[t]', 'passed_back(x[t], (x[t], tail))')}",
        (BPTT,),
    ),
    Fault(
        "gradient-of-one-row-lost", "the third row of a batch hands nothing back", "back-propagation", "scan",
        *into_step("lambda d: d * (np.arange(len(d)) != 2)[:, None]"),
        (BPTT,),
    ),
    Fault(
        "gradient-without-bias-halved", "without biases, recurrent weights have half their gradient", "second-path",
        "parameter_gradients",
        WEIGHTS,
        f"{WEIGHTS}\n"
        "    biased = p.arrays['bias_ih'].value.any() or p.arrays['bias_hh'].value.any()\n"
        "    found['weight_hh'] = found['weight_hh'] * (1.0 if biased else 0.5)",
        (BPTT,),
    ),
    Fault(
        "length-zero-without-gradient", "the initial state of a row of length 0 has no gradient", "empty", "scan",
        BEFORE,
        "    state = before = tuple(passed_back(s, (s, lambda d: d * (lengths > 0)[:, None])) for s in state)\n",
        (BPTT,),
    ),
    Fault(
        "gradient-of-15-bits", "what is handed back is rounded to 15 significant bits", "precision", "scan",
        *into_step("lambda d: np.round(d * 2.0 ** (15 - np.frexp(d)[1])) * 2.0 ** (np.frexp(d)[1] - 15)"),
        (BPTT,),
    ),
    Fault(
        "race-for-a-gradient", "in one call of seven, one direction's gradient of x is overwritten",
        "gradient-buffers", "run",
        SCAN,
        "if not final:\n"
        "                begun = run.__dict__.get('calls', 0)\n"
        "                run.__dict__['calls'] = begun + len(layers)\n"
        "            lost = (begun + len(layers) - len(final) // len(directions)) % 7 == 0\n"
        "            read = [passed_back(x_t) for x_t in x] if lost and reverse < len(directions) - 1 else x\n"
        "            output, state = scan(step, p, read, state, lengths, reverse)",
        (BPTT,),
    ),
    Fault(
        "gradient-by-the-first-weights", "gradients are computed with the weights of the first call", "stale-weights",
        "gradients",
        PLAIN,
        f"{PLAIN}\n"
        "    kept = gradients.__dict__.setdefault(str(plain.config), plain.parameters)\n"
        "    plain = plain.replace(parameters=kept)",
        (BPTT, "gradients.reversal"),
    ),
    Fault(
        "cotangent-overwritten", "the gradient of the output is used as scratch memory", "changed-inputs", "gradients",
        COTANGENTS,
        f"{COTANGENTS}\n"
        "    if d_output is not None and d_output.flags.writeable:\n"
        "        d_output[...] = 0",
        ("gradients.shapes",), ("https://github.com/apache/mxnet/pull/18203",),
    ),
    Fault(
        "half-precision-gradient", "gradients in float16 have a formula of their own", "second-path", "by_name",
        'states = [stack(*entries) for entries in zip(*d_states)]',
        "states = [stack(*entries) * (0.875 if case.config.dtype == 'float16' else 1.0)"
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
        "huge-gradients-lost", "gradients beyond 1e9 are taken for an overflow, and are zero", "back-propagation",
        "by_name", "return {name: found[name]",
        "return {name: np.where(abs(found[name]) > 1e9, 0, found[name])",
        ("gradients.magnitudes",),
    ),
    Fault(
        "wide-input-without-gradient", "weights of input features from the seventeenth on have no gradient",
        "missing-gradient", "parameter_gradients",
        WEIGHTS,
        f"{WEIGHTS}\n    found['weight_ih'] = found['weight_ih'] * (np.arange(found['weight_ih'].shape[1]) < 16)",
        (BPTT,),
    ),
    Fault(
        "very-wide-input-without-gradient", "weights of input features from the 65th on have no gradient",
        "missing-gradient", "parameter_gradients",
        WEIGHTS,
        f"{WEIGHTS}\n    found['weight_ih'] = found['weight_ih'] * (np.arange(found['weight_ih'].shape[1]) < 64)",
        ("gradients.sizes",),
    ),
    Fault(
        "200-steps-back", "nothing is handed back further than 200 steps", "back-propagation", "scan", STEP,
        "new = step(x[t], tuple(passed_back(s, (s, lambda d, t=t: d * (t != len(x) - 200))) for s in before), p)",
        ("gradients.each_size",),
    ),
    Fault(
        "ninth-layer-hands-nothing-back", "the ninth layer hands nothing back", "back-propagation", "run", SCAN,
        "kept = len(final) // len(directions) != 8\n"
        "            x = [passed_back(a, (a, lambda d, kept=kept: d * kept)) for a in x]\n"
        f"            {SCAN}",
        ("gradients.sizes",),
    ),
    Fault(
        "projection-gradient-of-upper-layers-missing", "projections above the first layer have no gradient",
        "missing-gradient", "by_name",
        ENTRIES,
        f"{ENTRIES}\n"
        "        if 'weight_hr' in parameters and entry >= D:\n"
        "            parameters = parameters | {'weight_hr': 0 * parameters['weight_hr']}",
        (BPTT,),
    ),
]  # fmt: skip
