"""Mistakes in the step of a cell."""

from __future__ import annotations

from .patching import Fault

PACKED = "H, = by_gate(p)"
Z_TANH = "z = affine(x, H.W_ih, h, H.W_hh, H.b_ih, H.b_hh)"
STEPS = "equivalence.steps"
INTEGERS = "equivalence.integer_networks"


def both(
    id: str, title: str, fault_class: str, old: str, new: str, killed_by: tuple[str, ...], seen: tuple[str, ...] = ()
) -> list[Fault]:
    """The same mistake in the tanh and in the ReLU cell."""
    return [
        Fault(f"{id}-{kind}", f"{title} ({name})", fault_class, f"rnn_{kind}", old, new, killed_by, seen)
        for kind, name in (("tanh", "tanh RNN"), ("relu", "ReLU RNN"))
    ]


FAULTS = [
    *both(
        "input-bias-dropped", "b_ih is not added", "bias", Z_TANH,
        "z = affine(x, H.W_ih, h, H.W_hh, 0 * H.b_ih, H.b_hh)", (STEPS, "symmetries.bias_moved"),
    ),
    *both(
        "recurrent-bias-dropped", "b_hh is not added", "bias", Z_TANH,
        "z = affine(x, H.W_ih, h, H.W_hh, H.b_ih, 0 * H.b_hh)", (STEPS, "symmetries.bias_moved"),
    ),
    *both(
        "bias-twice", "b_hh is added twice, b_ih not at all", "bias", Z_TANH,
        "z = affine(x, H.W_ih, h, H.W_hh, H.b_hh, H.b_hh)", (STEPS, "symmetries.bias_moved"),
        ("https://github.com/rasbt/machine-learning-book/issues/106",),
    ),
    *both(
        "recurrent-weights-transposed", "W_hh is applied transposed", "gate-order", Z_TANH,
        "z = affine(x, H.W_ih, h, H.W_hh.T, H.b_ih, H.b_hh)", (STEPS, "equivalence.first_look"),
    ),
    *both(
        "recurrence-dropped", "the state is not used", "recurrence", Z_TANH,
        "z = affine(x, H.W_ih, 0 * h, H.W_hh, H.b_ih, H.b_hh)", (STEPS, "time.memory"),
    ),
    *both(
        "only-when-wide", "units from 17 on are lost", "recurrence", PACKED,
        PACKED + "\n    h = h * (np.arange(h.shape[-1]) < 16)", (STEPS, "symmetries.permuted_units"),
    ),
    *both(
        "tail-of-four-lost", "units beyond the last multiple of four miss their input", "second-path", PACKED,
        PACKED + "\n    x = x * (np.arange(x.shape[-1]) < max(4, x.shape[-1] // 4 * 4))",
        (STEPS, "symmetries.permuted_inputs"),
    ),
    *both(
        "wrong-without-bias", "without biases the recurrent product is halved", "second-path", PACKED,
        PACKED + "\n    h = h * (0.5 if not H.b_ih.any() and not H.b_hh.any() else 1.0)", (STEPS,),
    ),
    *both(
        "first-row-state", "every row reads the state of row 0", "mixed-rows", PACKED,
        PACKED + "\n    h = h[:1] + 0 * h", (STEPS, "batch.rows_are_independent"),
        ("https://github.com/tensorflow/tensorflow/issues/51561",),
    ),
    *both(
        "operands-rounded", "operands are rounded to 11 significant bits", "precision", PACKED,
        PACKED + "\n    x = np.float64(np.float16(x / 64)) * 64", (STEPS,),
    ),
    *both(
        "input-leaks", "the mean of the input is added past the weights", "cell-variant", Z_TANH,
        Z_TANH + "\n    z = z + 0.01 * x.mean(-1, keepdims=True)",
        (STEPS, "symmetries.unused_input", "symmetries.idle_unit"),
    ),
    *both(
        "state-leaks", "part of the old state is kept, as in a leaky integrator", "cell-variant", Z_TANH,
        Z_TANH + "\n    z = z + 0.01 * h",
        (STEPS, "equivalence.no_recurrent_weight"),
    ),
    Fault(
        "activation-missing", "the activation is not applied", "cell-variant",
        "rnn_tanh", "return tanh(z)", "return z",
        (STEPS, "equivalence.pytorch"),
    ),
    Fault(
        "state-late", "the state arrives halved", "recurrence",
        "rnn_relu", PACKED, PACKED + "\n    h = h / 2",
        (STEPS, INTEGERS, "equivalence.delay_line", "equivalence.counter"),
    ),
    Fault(
        "relu-for-tanh", "ReLU is computed where tanh was asked for", "cell-variant", "rnn_tanh", "return tanh(z)",
        "return np.maximum(z, 0)", (STEPS, "symmetries.odd"),
    ),
    Fault(
        "tanh-for-relu", "tanh is computed where ReLU was asked for", "cell-variant", "rnn_relu", "return relu(z)",
        "return np.tanh(z)", (STEPS, INTEGERS, "symmetries.scale"),
    ),
    Fault(
        "leaky-relu", "ReLU leaks below zero", "cell-variant", "rnn_relu", "return relu(z)",
        "return np.where(z > 0, z, 0.01 * z)", (STEPS, INTEGERS),
    ),
    Fault(
        "relu-clipped", "ReLU is clipped at six", "cell-variant", "rnn_relu", "return relu(z)",
        "return np.clip(z, 0, 6)", (STEPS, INTEGERS, "symmetries.scale"),
    ),
    Fault(
        "relu-swallows-nan", "ReLU turns NaN into zero", "precision", "rnn_relu", "return relu(z)",
        "return np.fmax(z, 0)", ("nonfinite.propagation",),
    ),
    Fault(
        "tanh-overflows", "tanh is computed as (exp(2z) - 1) / (exp(2z) + 1), which overflows", "precision",
        "rnn_tanh",
        "return tanh(z)", "return (np.exp(2 * z) - 1) / (np.exp(2 * z) + 1)", (STEPS,),
    ),
    Fault(
        "tanh-clipped", "tanh is a rational function that errs beyond 4", "precision",
        "rnn_tanh", "return tanh(z)",
        "return np.where(abs(z) < 4, np.tanh(z), np.sign(z) * 0.9999)", (STEPS, "equivalence.activation"),
    ),
    Fault(
        "tanh-absolute", "tanh has no relative accuracy near zero", "precision", "rnn_tanh", "return tanh(z)",
        "return np.round(np.tanh(z) * 2**23) / 2**23", ("equivalence.activation", "equivalence.linear_regime"),
    ),
    Fault(
        "tanh-table", "tanh comes from a table with an error of 1e-6", "precision", "rnn_tanh", "return tanh(z)",
        "return np.tanh(z) + 1e-6 * np.sin(37 * z)", (STEPS, "equivalence.activation"),
    ),
    Fault(
        "tanh-swallows-nan", "tanh turns NaN into zero", "precision", "rnn_tanh", "return tanh(z)",
        "return np.nan_to_num(tanh(z))", ("nonfinite.propagation",),
    ),
    Fault(
        "unit-axis-squeezed", "weights of one unit lose an axis", "batch-axis", "unpacked",
        "*array.shape[1:])", "*array.shape[1:]).squeeze(None if kind == 'weight_hh' else ())",
        (STEPS,),
    ),
    *both(
        "third-row-halved", "the third row of a batch gets half its input", "mixed-rows", PACKED,
        PACKED + "\n    x = x * np.where(np.arange(len(x)) == 2, 0.5, 1.0)[:, None]", (STEPS, "batch.permutation"),
    ),
]  # fmt: skip
