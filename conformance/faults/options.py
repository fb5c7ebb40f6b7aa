"""Mistakes in the options of ONNX' operators."""

from __future__ import annotations

from .patching import Fault

SPLIT = "w_i, w_f, w_o = np.split(p.W_ch, 3)"
CELL = "c = f * c + i * g"
OUT = "out = o.f(clip(affine_peephole(x, O.W_ih, h, O.W_hh, O.b_ih, O.b_hh, w_o, c), o.bound))"
HIDDEN = "return out * o.h(clip(c, o.bound)), c"
COUPLED = "f = 1 - i if o.coupled else f"
OPTIONS = "return Options(f, g, h, config.clip or np.inf, config.coupled_gates)"
PEEPHOLES, CLIP = ("options.peepholes", "options.together"), ("options.clip",)


def lstm(id: str, title: str, old: str, new: str, killed_by: tuple[str, ...], seen: tuple[str, ...] = ()) -> Fault:
    """A mistake in the step of an LSTM with options."""
    return Fault(id, title, "cell-variant", "lstm_variant", old, new, killed_by, seen)


FAULTS = [
    lstm(
        "peepholes-fio", "the peepholes of i and f are exchanged", SPLIT, SPLIT.replace("w_i, w_f", "w_f, w_i"),
        PEEPHOLES,
    ),
    lstm(
        "peepholes-iof", "peepholes are read in ONNX' order i, o, f", SPLIT, SPLIT.replace("w_f, w_o", "w_o, w_f"),
        PEEPHOLES,
    ),
    lstm("peepholes-ignored", "peepholes are ignored", SPLIT, SPLIT.replace("p.W_ch", "0 * p.W_ch"), PEEPHOLES),
    lstm(
        "peephole-sees-the-state-before", "the output gate sees the cell state before, not the one after",
        f"{CELL}\n    {OUT}", f"{OUT}\n    {CELL}", PEEPHOLES,
    ),
    lstm(
        "coupled-gates-ignored", "the forget gate is computed, where it should be 1 - i", COUPLED, "f = f",
        ("options.coupled_gates",),
    ),
    lstm(
        "coupled-the-other-way", "the input gate is 1 - f, where the forget gate should be 1 - i", COUPLED,
        "i = 1 - f if o.coupled else i", ("options.coupled_gates",),
    ),
    lstm(
        "clip-misses-the-cell-state", "tanh of the cell state reads it without a clip", HIDDEN,
        "return out * o.h(c), c", CLIP, ("https://github.com/microsoft/onnxruntime/issues/27224",),
    ),
    lstm(
        "clip-cuts-the-cell-state", "the cell state itself is cut off, not only what tanh reads", HIDDEN,
        "return out * o.h(clip(c, o.bound)), clip(c, o.bound)", CLIP,
    ),
    lstm(
        "clip-misses-the-candidate", "the candidate reads its sum without a clip",
        "g = o.g(clip(affine(x, G.W_ih, h, G.W_hh, G.b_ih, G.b_hh), o.bound))",
        "g = o.g(affine(x, G.W_ih, h, G.W_hh, G.b_ih, G.b_hh))", CLIP,
    ),
    Fault("clip-ignored", "the clip is ignored", "cell-variant", "options_of", "config.clip or np.inf", "np.inf", CLIP),
    Fault(
        "clip-of-what-comes-out", "the clip falls on what the activation gives, not on what it reads", "cell-variant",
        "rnn_variant", "return (o.f(clip(z, o.bound)),)", "return (clip(o.f(z), o.bound),)", CLIP,
    ),
    Fault(
        "activations-ignored", "activations are always the usual ones", "cell-variant", "options_of",
        "config.activations or USUAL_ACTIVATIONS[config.cell]", "USUAL_ACTIVATIONS[config.cell]",
        ("options.activations",), ("https://github.com/webmachinelearning/webnn/pull/655",),
    ),
    Fault(
        "activations-exchanged", "the activations of the candidate and of the cell state are exchanged", "cell-variant",
        "options_of", "Options(f, g, h,", "Options(f, h, g,", ("options.activations",),
    ),
    Fault(
        "hard-sigmoid-by-six", "hard sigmoid has a slope of 1/6 instead of 0.2", "precision", "hard_sigmoid",
        "0.2 * z + 0.5", "z / 6 + 0.5", ("options.activations",),
    ),
]  # fmt: skip
