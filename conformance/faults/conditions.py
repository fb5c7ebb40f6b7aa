"""Mistakes that show only under a condition: wide, long, in one row, after another call. Usual tests do not meet it."""

from __future__ import annotations

from .masks import LIFTED, of_shares
from .patching import Fault

STEPS = "equivalence.steps"
SIZES = "equivalence.sizes"
REPEATABLE = "shapes.repeatable"
STATE = {
    "after": ("gru", "R, Z, N = by_gate(p)"),
    "before": ("gru_reset_before", "R, Z, N = by_gate(p)"),
    "lstm": ("lstm", "I, F, G, O = by_gate(p)"),
}
TITLES = {"after": "GRU, reset after", "before": "GRU, reset before", "lstm": "LSTM"}
STEP = "new = step(x[t], before, p)"
FIRST = "state = initial[len(final)]"
PLAIN = "plain = time_major(case.check())"
DROPPED = "x = [mask * x_t for mask, x_t in zip(masks[len(final) // len(directions) - 1], x)]"
DIRECTIONS = "for reverse, p in enumerate(directions):"
NAMED = "return Parameters(config.cell, {kind: as_float64(array) for kind, array in named.items()})"
ABSENT = "absent = {kind: np.zeros(parameter_shape(config, kind, 0).sizes) for kind in kinds if kind in optional}"
STATES = "return x, [tuple(start(s) for s in entry) for entry in zip(*states)]"
SIGMOID = "return 0.5 + 0.5 * np.tanh(0.5 * z)"
WIDENED = "return np.asarray(array, dtype=np.complex128 if np.iscomplexobj(array) else np.float64)"
GIVEN = "x, h_0, c_0 = case.x, case.h_0, case.c_0"
TIME_MAJOR = "return case.replace(x=x, h_0=h_0, c_0=c_0, batch_first=False)"
RESULT = "return like_case(case, collect(plain, output, final))"


def gated(id: str, title: str, fault_class: str, line: str, killed_by: tuple[str, ...]) -> list[Fault]:
    """The same mistake at the beginning of the step of each gated cell; {cell} stands for its function."""
    return [
        Fault(
            f"{id}-{variant}", f"{title} ({TITLES[variant]})", fault_class,
            function, old, f"{line.replace('{cell}', function)}\n    {old}", killed_by,
        )
        for variant, (function, old) in STATE.items()
    ]  # fmt: skip


def rounded(name: str, bits: int) -> str:
    """A line that rounds an array to so many significant bits."""
    return f"{name} = np.round({name} * 2.0 ** ({bits} - np.frexp({name})[1])) * 2.0 ** (np.frexp({name})[1] - {bits})"


def rounding(bits: int) -> str:
    """A function that rounds an array to so many significant bits."""
    return f"lambda a: np.round(a * 2.0 ** ({bits} - np.frexp(a)[1])) * 2.0 ** (np.frexp(a)[1] - {bits})"


FAULTS = [
    *gated(
        "very-wide-state-lost", "no gate reads the state of units from 65 on", "recurrence",
        "h = h * (np.arange(h.shape[1]) < 64)", (SIZES,),
    ),
    *gated(
        "very-wide-input-lost", "input features from the 129th on are not read", "second-path",
        "x = x * (np.arange(x.shape[1]) < 128)", (SIZES,),
    ),
    *gated(
        "wide-state-lost", "no gate reads the state of units from 17 on", "recurrence",
        "h = h * (np.arange(h.shape[1]) < 16)",
        (STEPS, "symmetries.permuted_units"),
    ),
    *gated(
        "input-tail-of-four-lost", "input features beyond the last multiple of four are not read", "second-path",
        "x = x * (np.arange(x.shape[1]) < max(4, x.shape[1] // 4 * 4))", (STEPS, "symmetries.permuted_inputs"),
    ),
    *gated(
        "unit-tail-of-four-lost", "states beyond the last multiple of four are not read by the gates", "second-path",
        "h = h * (np.arange(h.shape[1]) < max(4, h.shape[1] // 4 * 4))", (STEPS, "symmetries.permuted_units"),
    ),
    *gated(
        "third-row-halved", "the third row of a batch gets half its input", "mixed-rows",
        "x = x * np.where(np.arange(len(x)) == 2, 0.5, 1.0)[:, None]", (STEPS, "batch.permutation"),
    ),
    *gated(
        "halved-without-bias", "without biases the state counts half", "second-path",
        "h = h * (0.5 if not p.arrays['bias_ih'].any() and not p.arrays['bias_hh'].any() else 1.0)", (STEPS,),
    ),
    *gated(
        "state-of-15-bits", "the gates read a state of 15 significant bits", "precision", rounded("h", 15), (STEPS,),
    ),
    *gated(
        "weights-of-14-bits", "recurrent weights have 14 significant bits", "precision",
        "W_hh = p.arrays['weight_hh']\n    " + rounded("W_hh", 14) + "\n    p = p.replace(weight_hh=W_hh)", (STEPS,),
    ),
    *gated(
        "state-of-the-step-before-last", "a buffer is read before it is written: every step reads an older state",
        "stale-memory",
        "before, {cell}.__dict__['h'] = {cell}.__dict__.get('h'), h\n"
        "    h = before if before is not None and before.shape == h.shape else h",
        (STEPS, REPEATABLE),
    ),
    *gated(
        "race-for-a-state", "in one step of thirteen, the last row is read before it is written", "stale-memory",
        "{cell}.__dict__['steps'] = {cell}.__dict__.get('steps', 0) + 1\n"
        "    h = h if {cell}.__dict__['steps'] % 13 != 5 else h * (np.arange(len(h)) < len(h) - 1)[:, None]",
        (STEPS, REPEATABLE),
    ),
    Fault(
        "input-of-16-bits", "inputs are rounded to 16 significant bits", "precision",
        "run", "final: list = []",
        "final: list = []\n"
        "    x = [np.round(a * 2.0 ** (16 - np.frexp(a)[1])) * 2.0 ** (np.frexp(a)[1] - 16) for a in x]",
        (STEPS,),
    ),
    Fault(
        "cell-state-of-16-bits", "the cell state is stored with 16 significant bits", "precision",
        "lstm", "c = f * c + i * g", "c = f * c + i * g\n    " + rounded("c", 16), (STEPS,),
    ),
    Fault(
        "tanh-ends-at-four", "tanh stays what it is at 4", "precision", "tanh", "return np.tanh(z)",
        "return np.tanh(np.clip(z, -4, 4))", (STEPS, "equivalence.activation"),
    ),
    Fault(
        "sigmoid-ends-at-four", "sigmoid stays what it is at 4", "precision",
        "sigmoid", SIGMOID, "return 0.5 + 0.5 * np.tanh(0.5 * np.clip(z, -4, 4))",
        (STEPS, "equivalence.activation"),
    ),
    Fault(
        "third-layer-bias-reversed", "the third layer reads its recurrent biases from the end", "bias",
        "run", DIRECTIONS,
        "for reverse, p in enumerate(directions):\n"
        "            p = p.replace(bias_hh=p.arrays['bias_hh'][::-1]) if len(final) // len(directions) == 2 else p",
        (STEPS,),
    ),
    Fault(
        "third-layer-loses-cell-state", "the third layer starts from a cell state of zero", "initial-state",
        "run", FIRST,
        "state = initial[len(final)]\n"
        "            state = (state[0], *(c * (len(final) // len(directions) != 2) for c in state[1:]))",
        (STEPS,),
    ),
    Fault(
        "long-runs-lose-cell-state", "the cell state is lost after eight steps", "recurrence", "scan", STEP,
        "new = step(x[t], (before[0], *(c * (t != 8) for c in before[1:])), p)", (STEPS,),
    ),
    Fault(
        "long-runs-of-gru-restart", "a GRU forgets after eight steps", "recurrence", "scan", STEP,
        "restart = t == 8 and len(p.arrays['weight_hh']) == 3 * p.arrays['weight_hh'].shape[1]\n"
        "        new = step(x[t], tuple(s * (not restart) for s in before), p)",
        (STEPS,),
    ),
    Fault(
        "short-runs-unrolled", "up to four steps are unrolled, and the unrolled code has another first state",
        "second-path", "scan", STEP,
        "new = step(x[t], tuple(s * (0.5 if t == 0 and len(x) <= 4 else 1.0) for s in before), p)", (STEPS,),
        ("https://github.com/tensorflow/tensorflow/issues/57015",),
    ),
    Fault(
        "length-zero-loses-state", "a row of length 0 ends in a state of zero", "empty", "scan",
        "return output, state", "return output, tuple(s * (lengths > 0)[:, None] for s in state)",
        ("lengths.length_zero",), ("https://github.com/onnx/onnx/issues/1674",),
    ),
    Fault(
        "length-zero-loses-cell-state", "a row of length 0 ends in a cell state of zero", "empty", "scan",
        "return output, state", "return output, (state[0], *(c * (lengths > 0)[:, None] for c in state[1:]))",
        ("lengths.length_zero",),
    ),
    Fault(
        "length-zero-reads-before-its-row", "the final state of a row of length 0 is read from before its buffer",
        "empty", "scan", "return output, state",
        "return output, tuple(np.where((lengths == 0)[:, None], np.roll(s, 1, 0), s) for s in state)",
        ("lengths.length_zero",), ("https://github.com/microsoft/onnxruntime/pull/28052",),
    ),
    Fault(
        "unsigned-lengths-negated", "rows are sorted by lengths that are negated as unsigned numbers: 0 comes first",
        "empty", "time_major", TIME_MAJOR,
        "if case.lengths is not None:\n"
        "        order, lengths = np.argsort(-case.lengths, kind='stable'), np.array(case.lengths)\n"
        "        lengths[order] = np.sort(lengths)[::-1]\n"
        "        case = case.replace(lengths=lengths)\n"
        f"    {TIME_MAJOR}",
        (STEPS,),
    ),
    Fault(
        "unsigned-lengths-hide-the-longest",
        "the longest row is looked for by lengths that are negated as unsigned numbers: it is one of length 0",
        "empty", "time_major", TIME_MAJOR,
        "if case.lengths is not None:\n"
        "        longest = np.argsort(-case.lengths, kind='stable')[:1]\n"
        "        case = case.replace(lengths=np.minimum(case.lengths, case.lengths[longest]))\n"
        f"    {TIME_MAJOR}",
        (STEPS,),
    ),
    Fault(
        "strides-of-weights-ignored", "weights that are not contiguous are read as if they were", "memory-layout",
        "layer_parameters", NAMED,
        "named = {k: w if w.flags.c_contiguous else w.ravel('K').reshape(w.shape) for k, w in named.items()}\n        "
        + NAMED,
        ("shapes.memory_layout",),
    ),
    Fault(
        "strides-of-states-ignored", "initial states that are not contiguous are read as if they were",
        "memory-layout", "lifted", STATES,
        "states = [s if s.flags.c_contiguous else s.ravel('K').reshape(s.shape) for s in states]\n    " + STATES,
        ("shapes.memory_layout",),
    ),
    Fault(
        "strides-of-a-state-ignored",
        "the initial state of a layer is read in the order in which it lies in memory", "memory-layout", "lifted",
        STATES, STATES.replace("start(s)", "start(s.ravel('K').reshape(s.shape))"), ("shapes.memory_layout",),
    ),
    Fault(
        "strides-of-input-ignored", "x is read in the order in which it lies in memory", "memory-layout", "time_major",
        GIVEN, GIVEN.replace("case.x", "case.x.ravel('K').reshape(case.x.shape)"), ("shapes.memory_layout",),
    ),
    Fault(
        "reversed-views-read-forwards", "arrays with negative strides are read forwards", "memory-layout", "as_float64",
        WIDENED,
        "backwards = any(stride < 0 for stride in getattr(array, 'strides', ()))\n"
        "    return np.asarray(array[::-1] if backwards else array, dtype=np.float64)",
        ("shapes.memory_layout",),
    ),
    Fault(
        "cell-state-of-the-call-before", "the cell state of the call before is still there", "kept-between-calls",
        "run", FIRST,
        "state = initial[len(final)]\n"
        "            if len(state) > 1:\n"
        "                before, run.__dict__['c'] = run.__dict__.get('c'), state[1] + 0.25\n"
        "                state = (state[0], state[1] if np.shape(before) != state[1].shape else before)",
        ("shapes.calls_are_independent", REPEATABLE),
    ),
    Fault(
        "upper-states-of-the-call-before", "only the lowest layer's state is set anew in each call",
        "kept-between-calls", "run", FIRST,
        "state = initial[len(final)]\n"
        "            if final:\n"
        "                state = run.__dict__.setdefault((len(final), *(s.shape for s in state)), state)",
        ("shapes.calls_are_independent",), ("https://github.com/jzilly/RecurrentHighwayNetworks/pull/6",),
    ),
    Fault(
        "initial-state-of-the-first-call", "the first initial state that was ever given is used for ever",
        "kept-between-calls", "run", FIRST,
        "state = run.__dict__.setdefault((len(final), *(s.shape for s in initial[0])), initial[len(final)])",
        ("shapes.calls_are_independent",),
        ("https://github.com/clab/dynet/issues/226", "https://github.com/clab/dynet/issues/511"),
    ),
    Fault(
        "graph-cached-without-its-bias", "without biases, the graph that an earlier call with biases left is used",
        "kept-between-calls", "layer_parameters", ABSENT,
        f"{ABSENT}\n"
        "    kept = layer_parameters.__dict__\n"
        "    absent = {kind: np.resize(kept.get('bias', 0.0), zeros.shape) for kind, zeros in absent.items()}\n"
        "    kept['bias'] = plain.parameters.get('bias_ih_l0', kept.get('bias', 0.0))",
        (STEPS,), ("https://github.com/pytorch/pytorch/pull/95563",),
    ),
    Fault(
        "race-for-the-last-row", "in one call of seven, the last row is read before it is written", "stale-memory",
        "forward", PLAIN,
        PLAIN + "\n"
        "    forward.__dict__['calls'] = forward.__dict__.get('calls', 0) + 1\n"
        "    if forward.__dict__['calls'] % 7 == 5:\n"
        "        written = np.arange(plain.num_rows)[:, None] < plain.num_rows - 1\n"
        "        plain = plain.replace(x=np.where(written, plain.x, 0))",
        (STEPS, REPEATABLE),
    ),
    Fault(
        "padding-of-the-call-before", "the output past the end of a row is what the buffer held before",
        "stale-memory", "scan", "return output, state",
        "before = np.resize(scan.__dict__.get('buffer', 0.0), (len(output), *state[0].shape))\n"
        "    output = [np.where((t < lengths)[:, None], o, before[t]) for t, o in enumerate(output)]\n"
        "    scan.__dict__['buffer'] = np.array(output or [0.0])\n"
        "    return output, state",
        ("lengths.padding_is_zero",), ("https://github.com/microsoft/onnxruntime/pull/1361",),
    ),
    Fault(
        "weights-of-the-first-call-by-size", "weights are kept from the first call with weights of that size",
        "stale-weights", "layer_parameters", NAMED,
        "kept = layer_parameters.__dict__\n"
        "        first = {k: kept.setdefault((k, end, w.shape), w) for k, w in named.items() if k != 'weight_ch'}\n"
        "        named |= first\n"
        "        " + NAMED,
        (STEPS, "shapes.calls_are_independent"),
    ),
    Fault(
        "state-written-back", "the final state is written into the initial one", "changed-inputs", "forward", RESULT,
        "result = like_case(case, collect(plain, output, final))\n"
        "    if case.h_0 is not None and case.h_0.flags.writeable:\n"
        "        case.h_0[...] = result.h_n\n"
        "    return result",
        ("shapes.inputs_untouched",), ("https://github.com/keras-team/keras/pull/20916",),
    ),
    Fault(
        "padding-cleared-in-place", "the padding of x is set to zero in place", "changed-inputs", "time_major",
        "x, h_0, c_0 = case.x, case.h_0, case.c_0",
        "x, h_0, c_0 = case.x, case.h_0, case.c_0\n"
        "    if case.lengths is not None and x.flags.writeable and not case.config.batch_first:\n"
        "        x[np.arange(len(x))[:, None] >= case.lengths] = 0",
        ("shapes.inputs_untouched",),
    ),
    Fault(
        "operands-of-14-bits-in-float32", "float32 inputs, weights and states are read with 14 significant bits",
        "precision", "as_float64", WIDENED,
        f"rounded = {rounding(14)}\n"
        "    wide = np.asarray(array, dtype=np.float64)\n"
        "    return rounded(wide) if array.dtype == np.float32 else wide",
        (STEPS,),
    ),
    Fault(
        "states-of-16-bits-in-float32", "in float32 each step reads a state of 16 significant bits", "precision",
        "forward", "step = step_of(plain.config)",
        "step = step_of(plain.config)\n"
        "    if plain.config.dtype == 'float32':\n"
        f"        rounded, whole = {rounding(16)}, step\n"
        "        step = lambda x, state, p: whole(x, tuple(map(rounded, state)), p)",
        (STEPS,),
    ),
    Fault(
        "tanh-coarse-beyond-four", "tanh is off by two parts in a million beyond 4", "precision",
        "tanh", "return np.tanh(z)", "return np.tanh(z) * np.where(abs(z) > 4, 1 - 2e-6, 1)",
        (STEPS, "equivalence.activation"),
    ),
    Fault(
        "sigmoid-coarse-beyond-four", "sigmoid is off by two parts in a million beyond 4", "precision",
        "sigmoid", SIGMOID, SIGMOID + " * np.where(z > 4, 1 - 2e-6, 1)", (STEPS, "equivalence.activation"),
    ),
    Fault(
        "sigmoid-swallows-nan", "a gate that is not a number is closed", "precision",
        "sigmoid", SIGMOID, "return np.nan_to_num(0.5 + 0.5 * np.tanh(0.5 * z))", ("nonfinite.propagation",),
    ),
    Fault(
        "cell-clipped-at-ten", "the cell state is clipped at 10", "cell-variant", "lstm", "c = f * c + i * g",
        "c = np.clip(f * c + i * g, -10, 10)", (STEPS, "gates.cell_state_counts"),
    ),
    Fault(
        "fourth-layer-bias-reversed", "the fourth layer reads its recurrent biases from the end", "bias",
        "run", DIRECTIONS,
        "for reverse, p in enumerate(directions):\n"
        "            p = p.replace(bias_hh=p.arrays['bias_hh'][::-1]) if len(final) // len(directions) == 3 else p",
        (STEPS,),
    ),
    Fault(
        "wide-input-lost", "input features from the seventeenth on are not read", "second-path", "run", DIRECTIONS,
        "for reverse, p in enumerate(directions):\n"
        "            p = p.replace(weight_ih=p.arrays['weight_ih'] * (np.arange(p.arrays['weight_ih'].shape[1]) < 16))",
        (STEPS,),
    ),
    Fault(
        "equal-lengths-ignored", "lengths that are all the same are ignored", "second-path", "forward", PLAIN,
        f"{PLAIN}\n"
        "    if case.lengths is not None and len(set(case.lengths.tolist())) == 1:\n"
        "        plain = plain.replace(lengths=None)",
        ("lengths.padding_is_zero",),
    ),
    Fault(
        "lengths-in-lowest-layer-only", "layers above the first ignore lengths", "second-path", "run",
        "output, state = scan(step, p, x, state, lengths, reverse)",
        "upper = len(final) >= len(directions)\n"
        "            output, state = scan(step, p, x, state, lengths + upper * len(x), reverse)",
        ("lengths.padding_is_zero",),
    ),
    Fault(
        "lengths-without-batch-first", "with batch_first, lengths are ignored", "second-path", "forward", PLAIN,
        f"{PLAIN}\n    plain = plain.replace(lengths=None) if case.config.batch_first else plain",
        ("shapes.batch_first",),
    ),
    Fault(
        "halves-swapped-without-batch", "without a batch axis the reverse half comes first", "second-path",
        "like_case", "return result.map(lambda name, value: value[:, 0])",
        "result = result.map(lambda name, value: value[:, 0])\n"
        "        shift = result.output.shape[-1] // 2 * case.config.bidirectional\n"
        "        return Result(np.roll(result.output, shift, -1), result.h_n, result.c_n)",
        ("shapes.unbatched",),
    ),
    Fault(
        "default-state-of-lengths-is-one", "with lengths, a state that is not given is one", "default-state",
        "time_major", "h_0 = np.zeros((entries, x.shape[1], case.config.state_size))",
        "h_0 = np.zeros((entries, x.shape[1], case.config.state_size)) + (case.lengths is not None)",
        ("shapes.default_state",),
    ),
    Fault(
        "projection-of-the-first-call", "the projection is kept from the first call", "stale-weights",
        "layer_parameters", NAMED,
        "if 'weight_hr' in named:\n"
        "            W_hr = named['weight_hr']\n"
        "            named['weight_hr'] = layer_parameters.__dict__.setdefault((end, W_hr.shape), W_hr)\n"
        "        " + NAMED,
        (STEPS,),
    ),
    Fault(
        "rare-race", "in one call of ninety-seven, the input has not arrived yet", "stale-memory", "forward", PLAIN,
        f"{PLAIN}\n"
        "    forward.__dict__['calls'] = forward.__dict__.get('calls', 0) + 1\n"
        "    plain = plain.replace(x=plain.x * (forward.__dict__['calls'] % 97 != 10))",
        (REPEATABLE,),
    ),
    Fault(
        "zeroed-padding-is-run", "lengths only set the padding to zero, and the steps run on through it", "padding",
        "forward", "output, final = run(step, layers, x, initial, plain.row_lengths, kept)",
        "x = [np.where((t < plain.row_lengths)[:, None], x_t, 0) for t, x_t in enumerate(x)]\n"
        "    output, final = run(step, layers, x, initial, 0 * plain.row_lengths + len(x), kept)",
        ("lengths.padding_is_zero", "lengths.padded_row_is_row_alone"),
    ),
    Fault(
        "reverse-starts-in-zeros", "the reverse direction runs through the padding, which is set to zero",
        "reverse-padding", "scan", "alive = (t < lengths)[:, None]",
        "x[t] = np.where((t < lengths)[:, None], x[t], 0)\n"
        "        alive = (t < lengths)[:, None] | (reverse == 1)",
        ("lengths.padded_row_is_row_alone",),
    ),
    Fault(
        "gates-of-reverse-rotated", "in the reverse direction the gates are read in another order", "gate-order",
        "scan", "steps = range(len(x))",
        "steps = range(len(x))\n"
        "    rows = p.arrays['weight_hh'].shape[0]\n"
        "    turn = np.roll(np.arange(rows), rows // 2 * reverse)\n"
        "    p = p.map(lambda array: array[turn] if len(array) == rows else array)",
        (STEPS, "directions.reversal"),
    ),
    Fault(
        "initial-states-from-the-top", "initial states are read from the top layer down", "initial-state", "run", FIRST,
        "state = initial[(len(layers) - 1 - len(final) // len(directions)) * len(directions) + reverse]",
        (STEPS, "layers.in_a_row"),
    ),
    Fault(
        "one-mask-for-all-layers", "one dropout mask serves all layers", "dropout", "run",
        "masks[len(final) // len(directions) - 1]", "masks[0]", ("dropout.mask",),
    ),
    Fault(
        "masks-for-two-steps", "two steps in a row share a dropout mask", "dropout", "lifted_masks",
        "for m in mask] for mask in masks]",
        "for m in [mask[t // 2 * 2] for t in range(len(mask))]] for mask in masks]",
        ("dropout.mask",),
    ),
    Fault(
        "share-of-a-mask", "of the numbers of each mask, dropout takes a share p, and not each with probability p",
        "dropout", "lifted_masks", LIFTED, of_shares("1"), ("dropout.independent",),
    ),
    Fault(
        "one-mask-for-all-steps-of-ragged-rows", "where rows end at different steps, all steps share a dropout mask",
        "dropout", "run", DROPPED,
        "mask = masks[len(final) // len(directions) - 1]\n"
        "            ragged = lengths.min(initial=len(x)) < len(x)\n"
        "            x = [mask[0 if ragged else t] * x_t for t, x_t in enumerate(x)]",
        ("dropout.mask",),
    ),
    Fault(
        "a-mask-for-each-direction", "each direction of the next layer draws a dropout mask of its own", "dropout",
        "run", f"if final and masks:\n            {DROPPED}\n        {DIRECTIONS}",
        f"whole = x\n        {DIRECTIONS}\n"
        "            if len(final) >= len(directions) and masks:\n"
        "                own = masks[len(final) // len(directions) - 1]\n"
        "                x = [np.roll(mask, reverse) * x_t for mask, x_t in zip(own, whole)]",
        ("dropout.mask", "gradients.training"),
    ),
    Fault(
        "tiny-weights-lost", "weights below 1e-8 are taken for zero", "precision", "layer_parameters", NAMED,
        "named |= {k: a * (abs(a) > 1e-8) for k, a in named.items() if k.startswith('weight')}\n"
        f"        {NAMED}",
        ("equivalence.magnitudes",),
    ),
    Fault(
        "rows-from-the-seventeenth", "rows from the seventeenth on start from zero", "mixed-rows", "scan",
        "steps = range(len(x))",
        "steps = range(len(x))\n"
        "    state = tuple(s * (np.arange(len(s)) < 16)[:, None] for s in state)",
        (STEPS, "batch.row_alone"),
    ),
    Fault(
        "rows-from-the-65th", "rows from the 65th on start from zero", "mixed-rows", "scan",
        "steps = range(len(x))",
        "steps = range(len(x))\n"
        "    state = tuple(s * (np.arange(len(s)) < 64)[:, None] for s in state)",
        (SIZES,),
    ),
    Fault(
        "40-units-start-from-zero", "exactly 40 units start from zero", "initial-state", "scan",
        "steps = range(len(x))",
        "steps = range(len(x))\n"
        "    state = tuple(s * (s.shape[1] != 40) for s in state)",
        ("equivalence.each_size",),
    ),
    Fault(
        "last-step-of-a-short-block", "the last step reads no input where 15 of 16 are left", "recurrence", "scan",
        STEP, "new = step(x[t] * (len(x) % 16 != 15 or t < len(x) - 1), before, p)", ("equivalence.each_size",),
    ),
    Fault(
        "input-ring-of-256", "the input is kept in a ring of 256 steps", "recurrence", "scan", STEP,
        "new = step(x[t % 256], before, p)", (SIZES,),
    ),
    Fault(
        "layers-sorted-as-text", "layers are sorted as text: the eleventh is read after the second", "layer-wiring",
        "run", "for directions in layers:",
        "for directions in [layers[layer] for layer in sorted(range(len(layers)), key=str)]:",
        (SIZES,),
    ),
    Fault(
        "layers-from-the-ninth", "layers from the ninth on start from zero", "initial-state", "run", FIRST,
        "state = initial[len(final)]\n"
        "            state = tuple(s * (len(final) // len(directions) < 8) for s in state)",
        (SIZES,),
    ),
    Fault(
        "input-ring-of-32", "the input is kept in a ring of 32 steps", "recurrence", "scan", STEP,
        "new = step(x[t % 32], before, p)", (STEPS,),
    ),
    Fault(
        "output-stays-time-major", "with batch_first, the output stays time-major", "batch-axis", "like_case",
        "return Result(swap_steps_and_rows(result.output), result.h_n, result.c_n)", "return result",
        ("shapes.batch_first",), ("https://github.com/pytorch/pytorch/issues/80306",),
    ),
    Fault(
        "cotangents-strided", "the memory of a cotangent that is not contiguous is read in the wrong order",
        "memory-layout", "cotangents", 'given = {"output": d_output, "h_n": d_h_n, "c_n": d_c_n}',
        'd_output = d_output if d_output is None else d_output.ravel("K").reshape(d_output.shape)\n'
        '    given = {"output": d_output, "h_n": d_h_n, "c_n": d_c_n}',
        ("gradients.memory_layout",),
        ("https://github.com/pytorch/pytorch/issues/620", "https://github.com/pytorch/pytorch/issues/619"),
    ),
    Fault(
        "unbatched-state-gradients-lost", "without a batch axis, a loss on the final states is ignored",
        "missing-gradient", "cotangents", "states = [state[:, None] for state in states]",
        "states = [0 * state[:, None] for state in states]", ("gradients.unbatched",),
    ),
    Fault(
        "gradients-without-a-state-doubled", "where no state is given, the gradient of x is doubled",
        "back-propagation", "by_name", "return {name: found[name] for name, _ in case.arrays()}",
        "found['x'] = found['x'] * (1 if case.h_0 is not None else 2)\n"
        "    return {name: found[name] for name, _ in case.arrays()}",
        ("gradients.default_state",),
    ),
    Fault(
        "mask-missing-in-gradient", "what was dropped has a gradient all the same", "dropout", "run",
        DROPPED, DROPPED.replace("mask * x_t", "passed_back(mask * x_t, (x_t, lambda d: d))"),
        ("gradients.dropout", "gradients.training"),
    ),
    Fault(
        "another-mask-in-gradient", "a mask is drawn anew on the way back", "dropout", "run", DROPPED,
        "top = np.max(np.array(masks), initial=0)\n"
        "            another = lambda mask: top * (np.random.random(mask.shape) * top < 1)\n            "
        + DROPPED.replace("mask * x_t", "passed_back(mask * x_t, (x_t, lambda d, mask=mask: d * another(mask)))"),
        ("gradients.training",),
    ),
    Fault(
        "mask-not-scaled-in-gradient", "on the way back, what was kept is not divided by 1 - p", "dropout", "run",
        DROPPED,
        DROPPED.replace("mask * x_t", "passed_back(mask * x_t, (x_t, lambda d, mask=mask: d * (mask > 0)))"),
        ("gradients.training",),
    ),
    Fault(
        "zero-taken-for-dropped", "on the way back, what is zero is taken for dropped", "dropout", "run", DROPPED,
        DROPPED.replace(
            "mask * x_t",
            "passed_back(mask * x_t, (x_t, lambda d, mask=mask, x_t=x_t: d * mask * (x_t.value != 0)))",
        ),
        ("gradients.training",),
    ),
    Fault(
        "mask-of-the-layer-below-in-gradient", "on the way back, layers use the mask of the layer below", "dropout",
        "run", DROPPED,
        "n = len(final) // len(directions) - 1\n"
        "            x = [passed_back(mask * x_t, (x_t, lambda d, below=below: d * below))\n"
        "                 for mask, below, x_t in zip(masks[n], masks[max(n - 1, 0)], x)]",
        ("gradients.training",),
    ),
    Fault(
        "mask-on-states-in-gradient", "on the way back, the mask also falls on what flows into the states", "dropout",
        "run", DROPPED,
        f"{DROPPED}\n"
        "            m = masks[0][-1][:, : masks[0][-1].shape[1] // len(directions)] if x else 1.0\n"
        "            final = [tuple(passed_back(s, (s, lambda d, m=m: d * m)) for s in entry) for entry in final]",
        ("gradients.training",),
    ),
    Fault(
        "dropout-on-hidden-states", "dropout also falls on the hidden states, from step to step", "dropout", "run",
        "output, state = scan(step, p, x, state, lengths, reverse)",
        "m = masks[-1][0][:, : state[0].shape[1]] if masks and x else 1.0\n"
        "            through = lambda x_t, s, p, m=m: step(x_t, (m * s[0], *s[1:]), p)\n"
        "            output, state = scan(through, p, x, state, lengths, reverse)",
        ("dropout.lowest_layer_stays",),
    ),
    Fault(
        "dropout-on-hidden-states-above", "above the lowest layer, dropout also falls on the hidden states", "dropout",
        "run", "output, state = scan(step, p, x, state, lengths, reverse)",
        "m = masks[-1][0][:, : state[0].shape[1]] if masks and x and len(final) >= len(directions) else 1.0\n"
        "            through = lambda x_t, s, p, m=m: step(x_t, (m * s[0], *s[1:]), p)\n"
        "            output, state = scan(through, p, x, state, lengths, reverse)",
        ("dropout.lowest_layer_stays",),
    ),
    Fault(
        "dropout-above-the-lowest-layer-only", "there is dropout above the lowest layer, and above no other", "dropout",
        "run", "if final and masks:", "if len(final) == len(directions) and masks:", ("dropout.mask",),
    ),
    Fault(
        "everything-dropped-in-evaluation", "with p = 1 everything is dropped outside training too", "dropout",
        "lifted_masks", "if not plain.training or", "if not (plain.training or config.dropout == 1) or",
        ("dropout.off_in_evaluation",),
    ),
    Fault(
        "first-step-never-dropped", "the first step is never dropped", "dropout", "run",
        DROPPED,
        "kept = masks[len(final) // len(directions) - 1]\n"
        "            x = [(mask if t else np.max(mask, initial=0)) * x[t] for t, mask in enumerate(kept)]",
        ("dropout.mask",),
    ),
    Fault(
        "tiny-numbers-read-as-zero", "numbers below 1e-20 are read as zero", "precision", "as_float64", WIDENED,
        "array = np.where(abs(array) < 1e-20, 0 * array, array)\n    " + WIDENED, ("symmetries.scale",),
    ),
    Fault(
        "state-of-the-call-before", "a state that is not given is the final state of the call before",
        "kept-between-calls", "forward", RESULT,
        "last = forward.__dict__.get('last', [])\n"
        "    if case.h_0 is None and np.shape(last) == np.shape(initial):\n"
        "        output, final = run(step, layers, x, last, plain.row_lengths, kept)\n"
        f"    forward.__dict__['last'] = final\n    {RESULT}",
        ("shapes.default_state",),
    ),
]  # fmt: skip
