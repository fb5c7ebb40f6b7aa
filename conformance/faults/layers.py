"""Mistakes in the loop over time, directions and layers, and in what is handed in and out."""

from __future__ import annotations

from .patching import Fault

STEPS = "equivalence.steps"
LOOP = "for t in reversed(steps) if reverse else steps:"
ALIVE = "alive = (t < lengths)[:, None]"
HELD = "state = tuple(select(n, alive, s) for n, s in zip(new, state))"
OUTPUT = "output[t] = select(state[0], alive, 0.0)"
FIRST = "state = initial[len(final)]"
SCAN = "output, state = scan(step, p, x, state, lengths, reverse)"
JOINED = "x = [join(*both) for both in zip(*halves)]"
STEP = "new = step(x[t], before, p)"
BETWEEN = "masks[len(final) // len(directions) - 1]"
DROPPED = f"x = [mask * x_t for mask, x_t in zip({BETWEEN}, x)]"
COLLECT = "return Result(output_all, h_n, *c_n)"
WIDENED = "return np.asarray(array, dtype=np.complex128 if np.iscomplexobj(array) else np.float64)"
PLAIN = "plain = time_major(case.check())"
NAMED = "return Parameters(config.cell, {kind: as_float64(array) for kind, array in named.items()})"

FAULTS = [
    Fault(
        "reverse-runs-forward", "both directions read the input forwards", "direction",
        "scan", LOOP, "for t in steps:",
        (STEPS, "directions.reversal", "directions.reverse_is_forward_on_reversed_time", "time.no_future"),
        ("https://github.com/onnx/onnx/pull/7935", "https://github.com/stanfordmlgroup/nlc/issues/8"),
    ),
    Fault(
        "reverse-starts-in-padding", "the reverse direction starts at the padded end", "reverse-padding",
        "scan", ALIVE,
        "alive = (t < lengths)[:, None] | (reverse == 1)", ("lengths.padded_row_is_row_alone",),
        (
            "https://github.com/deeplearning4j/deeplearning4j/issues/1030",
            "https://github.com/apache/mxnet/issues/19323",
            "https://github.com/NervanaSystems/ngraph/pull/3176",
            "https://github.com/shiyybua/NER/issues/47",
            "https://github.com/google/flax/issues/2170",
        ),
    ),
    Fault(
        "reverse-output-in-walking-order", "the reverse half of the output is not turned back", "reverse-output-order",
        "scan", OUTPUT,
        "output[len(x) - 1 - t if reverse else t] = select(state[0], alive, 0.0)", (STEPS, "directions.reversal"),
        (
            "https://github.com/onnx/keras-onnx/issues/523",
            "https://github.com/PINTO0309/onnx2tf/pull/287",
            "https://github.com/webmachinelearning/webnn/issues/801",
            "https://github.com/webmachinelearning/webnn-baseline/pull/123",
            "https://github.com/VeriSilicon/TIM-VX/pull/520",
            "https://github.com/sbillburg/CRNN-with-STN/issues/12",
            "https://github.com/denizyuret/Knet.jl/pull/223",
        ),
    ),
    Fault(
        "lengths-ignored", "lengths are ignored", "padding", "scan", ALIVE, "alive = (t < lengths + len(x))[:, None]",
        ("lengths.padding_is_zero",),
        ("https://github.com/microsoft/onnxruntime/issues/1400", "https://github.com/apache/mxnet/issues/19323"),
    ),
    Fault(
        "lengths-off-by-one", "a row ends one step early", "padding", "scan", ALIVE,
        "alive = (t < lengths - 1)[:, None]", (STEPS,),
    ),
    Fault(
        "lengths-one-too-many", "a row ends one step late", "padding",
        "scan", ALIVE, "alive = (t <= lengths)[:, None]",
        ("lengths.padding_is_zero",),
    ),
    Fault(
        "longest-row-for-all", "all rows end where the longest ends", "padding", "scan", ALIVE,
        "alive = (t < lengths.max(initial=0) + 0 * lengths)[:, None]", ("lengths.padding_is_zero",),
    ),
    Fault(
        "lengths-sorted", "lengths are sorted, and rows are not sorted back", "mixed-rows", "scan", ALIVE,
        "alive = (t < -np.sort(-lengths))[:, None]", (STEPS, "batch.permutation"),
    ),
    Fault(
        "state-runs-on", "the final state is the state after the padding", "padding", "scan", HELD,
        "state = new", (STEPS,),
    ),
    Fault(
        "padding-keeps-output", "padding repeats the last output", "padding", "scan", OUTPUT, "output[t] = state[0]",
        ("lengths.padding_is_zero",), ("https://github.com/microsoft/onnxruntime/issues/12492",),
    ),
    Fault(
        "mask-by-multiplication", "padding is masked by multiplication, which NaN survives", "padding", "scan", HELD,
        "state = tuple(alive * n + (1 - alive) * s for n, s in zip(new, state))", ("lengths.padding_is_not_read",),
    ),
    Fault(
        "output-masked-by-multiplication", "the output is masked by multiplication, which NaN survives", "padding",
        "scan", OUTPUT, "output[t] = alive * new[0]", ("lengths.padding_is_not_read",),
    ),
    Fault(
        "all-masked-by-multiplication", "state and output are masked by multiplication, which NaN survives", "padding",
        "scan", f"{HELD}\n        {OUTPUT}",
        "state = tuple(alive * n + (1 - alive) * s for n, s in zip(new, state))\n        output[t] = alive * new[0]",
        ("lengths.padding_is_not_read",),
    ),
    Fault(
        "nan-leaks-to-rows", "a NaN anywhere in a step reaches every row", "mixed-rows", "scan", STEP,
        "new = step(x[t] + 0 * x[t][alive[:, 0]].sum(), before, p)", ("nonfinite.isolation",),
    ),
    Fault(
        "zero-step-is-padding", "a step of zeros counts as padding", "padding", "scan", ALIVE,
        "alive = (t < lengths)[:, None] & x[t].any(-1, keepdims=True)", (STEPS,),
    ),
    Fault(
        "long-runs-restart", "the state is lost every eight steps", "recurrence", "scan", STEP,
        "new = step(x[t], tuple(s * (t != 8) for s in before), p)", (STEPS, "equivalence.automata"),
    ),
    Fault(
        "state-of-the-first-step", "the first step starts from zero", "initial-state", "scan", STEP,
        "new = step(x[t], tuple(s * (t > 0) for s in before), p)", (STEPS, "time.split"),
    ),
    Fault(
        "last-step-skipped", "the last step is not computed", "recurrence", "scan", "steps = range(len(x))",
        "steps = range(max(1, len(x) - 1))\n    output = [0.0 * state[0]] * len(x)", (STEPS,),
    ),
    Fault(
        "single-row-broadcast", "with one row the state is averaged over its units", "second-path", "scan", STEP,
        "new = step(x[t], before if len(x[t]) != 1 else tuple(s.mean() + 0 * s for s in before), p)",
        (STEPS, "batch.row_alone"),
    ),
    Fault(
        "initial-state-of-first-entry", "every layer and direction starts from the first initial state",
        "initial-state",
        "run", FIRST,
        "state = initial[0]", (STEPS,), ("https://github.com/pclucas14/GansFallingShort/pull/2",),
    ),
    Fault(
        "initial-state-by-direction", "initial states are read direction-major", "entry-order", "run", FIRST,
        "state = initial[reverse * len(layers) + len(final) // len(directions)]", (STEPS,),
    ),
    Fault(
        "reverse-state-ignored", "the reverse direction starts from zero", "initial-state", "run", FIRST,
        "state = tuple(s * (1 - reverse) for s in initial[len(final)])", (STEPS,),
    ),
    Fault(
        "upper-states-ignored", "layers above the first start from zero", "initial-state", "run", FIRST,
        "state = tuple(s * (len(final) < len(directions)) for s in initial[len(final)])", (STEPS,),
    ),
    Fault(
        "halves-swapped", "the reverse half comes first", "direction-halves", "run", JOINED,
        "x = [join(*both[::-1]) for both in zip(*halves)]", (STEPS, "directions.two_runs"),
    ),
    Fault(
        "third-layer-is-the-second", "layers above the second have the parameters of the second", "layer-wiring",
        "run",
        "for directions in layers:", "for directions in layers[:2] + layers[1:2] * (len(layers) - 2):", (STEPS,),
    ),
    Fault(
        "reverse-weights-shared", "the reverse direction has the weights of the forward one", "direction", "run",
        "for reverse, p in enumerate(directions):", "for reverse, p in enumerate([directions[0]] * len(directions)):",
        (STEPS, "directions.halves_are_independent"),
        ("https://github.com/HKUST-KnowComp/R-Net/issues/13",),
    ),
    Fault(
        "upper-layers-see-forward-half", "upper layers read the forward half twice", "layer-wiring", "run", JOINED,
        "x = [join(*both) for both in zip(*halves)]\n"
        "        if len(final) < len(layers) * len(halves):\n"
        "            x = [join(*[both[0]] * len(both)) for both in zip(*halves)]",
        (STEPS, "layers.in_a_row"), ("https://github.com/pytorch/pytorch/issues/89357",),
    ),
    Fault(
        "residual", "upper layers add what they read to what they give", "layer-wiring", "run", JOINED,
        "x = [join(*both) + (t if len(final) > len(halves) else 0) for both, t in zip(zip(*halves), x)]",
        (STEPS, "layers.in_a_row"),
    ),
    Fault(
        "final-states-by-direction", "final states are direction-major", "entry-order", "collect", COLLECT,
        "order = np.arange(len(h_n)).reshape(-1, plain.config.num_directions).T.ravel()\n"
        "    return Result(output_all, h_n[order], *(c[order] for c in c_n))",
        (STEPS, "layers.final_states"),
        ("https://github.com/OpenNMT/OpenNMT-py/issues/61", "https://github.com/pytorch/pytorch/issues/3587"),
    ),
    Fault(
        "final-states-forward-twice", "the reverse final state is the forward one", "final-state", "collect", COLLECT,
        "D = plain.config.num_directions\n    return Result(output_all, np.repeat(h_n[::D], D, 0), *c_n)", (STEPS,),
        ("https://github.com/tflearn/tflearn/pull/522",),
    ),
    Fault(
        "final-state-last-step", "h_n is the last step of the output, for the reverse direction too", "final-state",
        "collect",
        COLLECT,
        "h_n[-1] = output[-1][:, -h_n.shape[-1]:] if output else h_n[-1]\n    return Result(output_all, h_n, *c_n)",
        (STEPS, "time.final_state_is_last_output"),
        (
            "https://github.com/yunjey/pytorch-tutorial/pull/174",
            "https://github.com/prabhuomkar/pytorch-cpp/pull/13",
            "https://github.com/deeplearning4j/deeplearning4j/pull/5987",
        ),
    ),
    Fault(
        "final-state-missing", "h_n is zero", "final-state",
        "collect", COLLECT, "return Result(output_all, 0 * h_n, *(0 * c for c in c_n))", (STEPS,),
        ("https://github.com/apple/coremltools/issues/263",),
    ),
    Fault(
        "empty-sequence-loses-state", "without steps h_n is zero", "empty", "collect", COLLECT,
        "return Result(output_all, h_n * bool(output), *c_n)", (STEPS, "time.no_steps"),
    ),
    Fault(
        "default-state-is-one", "a state that is not given is one", "default-state", "time_major",
        "h_0 = np.zeros((entries, x.shape[1], case.config.state_size))",
        "h_0 = np.ones((entries, x.shape[1], case.config.state_size))", ("shapes.default_state",),
    ),
    Fault(
        "batch-first-ignored", "batch_first is ignored", "batch-axis", "time_major", "elif case.config.batch_first:",
        "elif case.config.batch_first and x.shape[0] != x.shape[1]:", ("shapes.batch_first",),
        ("https://github.com/pytorch/pytorch/pull/255",),
    ),
    Fault(
        "packed-path-differs", "given lengths take another path, which scales the input", "second-path",
        "forward", PLAIN,
        "plain = time_major(case.check())\n"
        "    plain = plain if case.lengths is None else plain.replace(x=plain.x * 1.001)",
        ("lengths.full_lengths", STEPS),
    ),
    Fault(
        "length-zero-takes-a-step", "a row of length 0 takes one step", "empty", "scan", ALIVE,
        "alive = (t < np.maximum(lengths, 1))[:, None]", ("lengths.length_zero", STEPS),
    ),
    Fault(
        "empty-batch-gets-a-row", "a batch without rows is computed as one row", "empty", "collect", COLLECT,
        "if plain.num_rows:\n"
        "        return Result(output_all, h_n, *c_n)\n"
        "    return Result(*(np.zeros((len(a), 1, a.shape[-1])) for a in (output_all, h_n, *c_n)))",
        ("batch.no_rows", "shapes.shapes"),
    ),
    Fault(
        "unbatched-loses-state", "without a batch axis the initial state is lost", "initial-state", "time_major",
        "h_0 = None if h_0 is None else h_0[:, None]", "h_0 = None", ("shapes.unbatched",),
    ),
    Fault(
        "batch-of-more-than-eight", "rows from the ninth on are computed from the first eight", "mixed-rows",
        "scan", STEP,
        "new = step(x[t][np.arange(len(x[t])) % 8], before, p)", (STEPS, "batch.row_alone"),
    ),
    Fault(
        "no-bias-reads-weights", "without biases the first column of W_ih stands in", "bias", "layer_parameters",
        "np.zeros(parameter_shape(config, kind, 0).sizes)",
        "(as_float64(plain.parameters['weight_ih_l0'])[:, 0] if kind != 'weight_ch'"
        " else np.zeros(parameter_shape(config, kind, 0).sizes))", (STEPS, "shapes.no_bias"),
    ),
    Fault(
        "weights-of-the-first-call", "weights are kept from the first call of the same configuration", "stale-weights",
        "forward", PLAIN,
        "plain = time_major(case.check())\n"
        "    kept = forward.__dict__.setdefault(str(plain.config), plain.parameters)\n"
        "    plain = plain.replace(parameters=kept)",
        ("shapes.calls_are_independent",),
        ("https://github.com/pytorch/pytorch/pull/91111", "https://github.com/pytorch/pytorch/issues/65688"),
    ),
    Fault(
        "state-of-the-call-before", "the state of the call before is the initial state", "kept-between-calls",
        "forward", PLAIN,
        "plain = time_major(case.check())\n"
        "    before, forward.__dict__['h_n'] = forward.__dict__.get('h_n'), plain.h_0 + 0.25\n"
        "    if before is not None and before.shape == plain.h_0.shape:\n"
        "        plain = plain.replace(h_0=before)",
        ("shapes.calls_are_independent", "shapes.repeatable"),
        ("https://github.com/tensorflow/tensorflow/issues/38403",),
    ),
    Fault(
        "every-other-call", "every third call is off by one part in a thousand", "stale-memory", "forward", PLAIN,
        "plain = time_major(case.check())\n"
        "    forward.__dict__['calls'] = forward.__dict__.get('calls', 0) + 1\n"
        "    plain = plain.replace(x=plain.x * (1.001 if forward.__dict__['calls'] % 3 == 0 else 1.0))",
        ("shapes.repeatable",),
    ),
    Fault(
        "strides-ignored", "arrays that are not contiguous are read as if they were", "memory-layout", "as_float64",
        WIDENED,
        "array = np.asarray(array)\n"
        "    plain = array.flags.c_contiguous or not array.flags.f_contiguous\n"
        "    return np.asarray(array if plain else array.ravel('K').reshape(array.shape), dtype=np.float64)",
        ("shapes.memory_layout",), ("https://github.com/pytorch/pytorch/issues/345",),
    ),
    Fault(
        "dropout-in-evaluation", "dropout is not switched off outside training", "dropout", "lifted_masks",
        "if not plain.training or config.dropout == 0", "if config.dropout == 0", ("dropout.off_in_evaluation",),
        ("https://github.com/rgbkrk/voice/pull/8",),
    ),
    Fault(
        "dropout-not-scaled", "what dropout keeps is not scaled up", "dropout", "run", DROPPED,
        DROPPED.replace("mask * x_t", "(mask > 0) * x_t"), ("dropout.mask",),
    ),
    Fault(
        "dropout-locked", "one dropout mask serves every step", "dropout", "run", DROPPED,
        DROPPED.replace(BETWEEN, f"[*{BETWEEN}[:1]] * len(x)"),
        ("dropout.mask",),
    ),
    Fault(
        "dropout-keeps-what-it-should-drop", "p is the probability of being kept", "dropout", "lifted_masks",
        "return [[as_float64(m)", "return [[as_float64((m == 0) / (1 - config.dropout))", ("dropout.mask",),
    ),
    Fault(
        "dropout-after-the-last-layer", "dropout also acts on what the last layer gives", "dropout",
        "run", "return x, final",
        "return [m * x_t for m, x_t in zip(masks[-1], x)] if masks else x, final", ("dropout.mask",),
        ("https://github.com/OpenNMT/OpenNMT-py/issues/29",),
    ),
    Fault(
        "dropout-ignored", "dropout is ignored in training", "dropout",
        "run", DROPPED, DROPPED.replace("mask * x_t", "x_t"),
        ("dropout.mask", "dropout.everything_at_one"),
    ),
    Fault(
        "dropout-on-final-states", "the mask between layers also falls on the final states", "dropout", "run",
        "final.append(state)",
        "hidden = state[0].shape[-1]\n"
        "            final.append(tuple(s * masks[0][0][:, :hidden] for s in state) if masks and x else state)",
        ("dropout.lowest_layer_stays",),
    ),
    Fault(
        "dropout-with-one-layer", "with one layer, dropout scales the input", "dropout", "lifted",
        "x = [lift(x_t) for x_t in plain.x]",
        "scale = 2.0 if plain.training and plain.config.num_layers == 1 else 1.0\n"
        "    x = [lift(scale * x_t) for x_t in plain.x]", ("dropout.nothing_at_zero", "dropout.not_on_the_last_layer"),
    ),
    Fault(
        "single-precision-inside", "double precision is computed in single precision", "precision", "as_float64",
        WIDENED, WIDENED.replace("np.float64", "np.float32"),
        (STEPS,),
    ),
    Fault(
        "every-step-from-the-start", "every step starts from the initial state", "recurrence", "scan",
        "before = state if own is None", "before = before if own is None", (STEPS, "time.split"),
        ("https://github.com/karpathy/makemore/pull/3", "https://github.com/rgbkrk/voice/pull/8"),
    ),
    Fault(
        "state-overwritten-while-read", "the new state is written over the old one while it is still read",
        "recurrence", "scan", STEP,
        "half = step(x[t], before, p)\n"
        "        width = before[0].shape[1] // 2\n"
        "        begun = np.concatenate([half[0][:, :width], before[0][:, width:]], 1)\n"
        "        new = step(x[t], (begun, *before[1:]), p)\n"
        "        new = tuple(np.concatenate([a[:, :width], b[:, width:]], 1) for a, b in zip(half, new))",
        (STEPS,), ("https://github.com/onnx/onnx-mlir/pull/367",),
    ),
    Fault(
        "initial-state-ignored", "the initial state is never passed on", "initial-state", "run", FIRST,
        "state = tuple(0 * s for s in initial[len(final)])", (STEPS, "time.split"),
        (
            "https://github.com/pytorch/tutorials/pull/95",
            "https://github.com/nyu-dl/dl4mt-tutorial/pull/65",
            "https://github.com/alibaba/MNN/issues/589",
        ),
    ),
    Fault(
        "initial-state-of-the-entry-below", "initial states are sliced with an offset that is one short",
        "initial-state", "run", FIRST, "state = initial[max(len(final) - 1, 0)]", (STEPS,),
        ("https://github.com/pytorch/pytorch/pull/95137",),
    ),
    Fault(
        "one-state-for-all", "one array serves as the state of all layers and directions", "initial-state", "run",
        f"{FIRST}\n            {SCAN}\n            halves.append(output)\n            final.append(state)",
        f"state = final[-1] if final else initial[0]\n            {SCAN}\n            halves.append(output)\n"
        "            final = [state] * (len(final) + 1)",
        (STEPS,),
    ),
    Fault(
        "initial-state-not-sorted", "rows are sorted by length, their initial states are not", "initial-state", "run",
        FIRST, "state = tuple(s[np.argsort(-lengths, kind='stable')] for s in initial[len(final)])",
        (STEPS, "batch.permutation"), ("https://github.com/PaddlePaddle/Paddle/issues/5421",),
    ),
    Fault(
        "state-handed-on-is-the-initial-one", "the state that is handed on is the one that was given", "carried-state",
        "run", "final.append(state)", "final.append(initial[len(final)])", (STEPS, "time.split"),
        ("https://github.com/livekit/agents-js/pull/944",),
    ),
    Fault(
        "state-handed-on-is-rounded", "the state that is handed on has 11 significant bits", "carried-state",
        "run", "final.append(state)", "final.append(tuple(np.float64(np.float16(s)) for s in state))",
        ("time.split", STEPS),
    ),
    Fault(
        "packed-offsets-of-one-width", "offsets into the packed weights take every layer to be as wide as the first",
        "layer-wiring", "layer_parameters", NAMED,
        "W_ih = named['weight_ih']\n"
        "        named['weight_ih'] = np.roll(W_ih, plain.parameters['weight_ih_l0'].size - W_ih.size)\n"
        "        " + NAMED,
        (STEPS,), ("https://github.com/apache/mxnet/issues/17479",),
    ),
    Fault(
        "halves-interleaved", "the halves are stacked on a new last axis and flattened", "direction-halves", "run",
        JOINED, "x = [np.stack(both, -1).reshape(len(both[0]), -1) for both in zip(*halves)]",
        (STEPS, "directions.two_runs"), ("https://github.com/onnx/onnx-tensorflow/pull/227",),
    ),
    Fault(
        "reverse-half-missing", "the reverse half is accepted and left at zero", "direction-halves", "run", JOINED,
        "x = [join(both[0], *(0 * b for b in both[1:])) for both in zip(*halves)]", (STEPS, "directions.reversal"),
    ),
    Fault(
        "directions-before-rows", "the output lies as (T, D, N, H) and is read as (T, N, D*H)", "direction-halves",
        "collect", COLLECT,
        "if output:\n"
        "        by_row = output_all.reshape(*output_all.shape[:2], plain.config.num_directions, -1)\n"
        "        output_all = by_row.swapaxes(1, 2).reshape(output_all.shape)\n"
        "    return Result(output_all, h_n, *c_n)",
        (STEPS, "directions.two_runs"), ("https://github.com/openvinotoolkit/openvino_contrib/pull/703",),
    ),
    Fault(
        "no-bias-is-an-error", "without biases the list of weights is too short", "cell-variant", "layer_parameters",
        "for kind in kinds if kind in optional}", "for kind in kinds if kind == 'weight_ch'}",
        (STEPS, "shapes.no_bias"),
        ("https://github.com/pytorch/pytorch/issues/34800",),
    ),
    Fault(
        "no-steps-are-an-error", "without steps there is nothing to stack, which is an error", "empty", "collect",
        "stack(last, *output)[1:]", "stack(*output) if h_n.size else stack(last, *output)[1:]", ("time.no_steps",),
        ("https://github.com/pytorch/pytorch/issues/50192",),
    ),
    Fault(
        "no-rows-are-an-error", "a batch without rows is an empty grid, which is an error", "empty", "forward", PLAIN,
        f"{PLAIN}\n    if not plain.num_rows:\n        raise RuntimeError('the grid is empty')", ("batch.no_rows",),
        ("https://github.com/pytorch/pytorch/pull/71696",),
    ),
    Fault(
        "padding-as-zero-input", "padding is masked by a zero input, and the bias goes on", "padding", "scan",
        f"{STEP}\n        {HELD}",
        "new = step(np.where(alive, x[t], 0), before, p)\n        state = new",
        (STEPS, "lengths.padded_row_is_row_alone"),
        ("https://github.com/keras-team/keras/issues/1300",),
    ),
    Fault(
        "packed-data-as-one-sequence", "with lengths, the packed data is read as one ordinary array", "second-path",
        "forward", PLAIN,
        f"{PLAIN}\n"
        "    if case.lengths is not None:\n"
        "        plain = plain.replace(x=plain.x.swapaxes(0, 1).reshape(plain.x.shape))",
        ("lengths.full_lengths", STEPS), ("https://github.com/pytorch/pytorch/issues/95118",),
    ),
    Fault(
        "rows-are-steps", "one step of many rows is taken as many steps of one row", "batch-axis", "scan", STEP,
        f"{STEP}\n"
        "        for n in range(1, len(x[t]) if len(x) == 1 else 0):\n"
        "            after = step(x[t][n : n + 1], tuple(s[n - 1 : n] for s in new), p)\n"
        "            new = tuple(np.concatenate([s[:n], a, s[n + 1 :]]) for s, a in zip(new, after))",
        (STEPS, "batch.row_alone"), ("https://github.com/Tencent/ncnn/issues/3861",),
    ),
    Fault(
        "row-axis-dropped", "with one row, the output has lost its axis", "batch-axis", "collect", COLLECT,
        "return Result(output_all[:, 0] if plain.num_rows == 1 else output_all, h_n, *c_n)", ("shapes.shapes",),
        ("https://github.com/Maghoumi/JitGRU/issues/2",),
    ),
    Fault(
        "entry-axis-dropped", "with one layer and one direction, h_n has lost its first axis", "shape-contract",
        "collect", COLLECT, "return Result(output_all, h_n[0] if len(h_n) == 1 else h_n, *c_n)", ("shapes.shapes",),
    ),
    Fault(
        "steps-side-by-side", "the outputs of all steps stand side by side", "shape-contract", "collect", COLLECT,
        "flat = output_all.swapaxes(0, 1).reshape(plain.num_rows, output_all.shape[0] * width)\n"
        "    return Result(flat, h_n, *c_n)", ("shapes.shapes",), ("https://github.com/huggingface/candle/pull/2542",),
    ),
    Fault(
        "output-is-the-first-step", "only the first step is put out", "shape-contract", "collect", COLLECT,
        "return Result(output_all[:1], h_n, *c_n)", ("shapes.shapes",), ("https://github.com/alibaba/MNN/issues/1138",),
    ),
    Fault(
        "output-is-one-half-wide", "the output is as wide as one direction", "shape-contract", "collect", COLLECT,
        "return Result(output_all[..., : plain.config.state_size], h_n, *c_n)", ("shapes.shapes",),
        ("https://github.com/PaddlePaddle/Paddle/issues/23283",),
    ),
    Fault(
        "final-state-unpacked", "the final state is unpacked, and its first part is taken for the whole",
        "shape-contract", "collect", COLLECT, "return Result(output_all, h_n[0], *c_n)", ("shapes.shapes",),
        (
            "https://github.com/keras-team/keras/issues/20173",
            "https://github.com/tensorflow/tensorflow/issues/83119",
        ),
    ),
    Fault(
        "dropout-on-the-cell-state", "dropout also drops and scales the cell state", "dropout", "run",
        "final.append(state)",
        "final.append((state[0], *(c * 2.0 for c in state[1:])) if masks and len(state) > 1 else state)",
        ("dropout.lowest_layer_stays",), ("https://github.com/tensorflow/tensorflow/issues/11650",),
    ),
    Fault(
        "half-precision-path", "float16 has a path of its own, with another scale", "second-path", "forward", PLAIN,
        f"{PLAIN}\n    plain = plain.replace(x=plain.x * (1.0625 if plain.config.dtype == 'float16' else 1.0))",
        (STEPS,),
    ),
]  # fmt: skip
