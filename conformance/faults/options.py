"""Mistakes in the options of ONNX' operators."""

from __future__ import annotations

from .patching import Fault

I_F = "I, F, G, O = by_gate(p)"
CELL = "c = f * c + i * g"
OUT = "o = gate(affine_peephole(x, O.W_ih, h, O.W_hh, O.b_ih, O.b_hh, O.w_ch, c))"
HIDDEN = "h = o * hidden(c)"
FORGET = "gate(affine_peephole(x, F.W_ih, h, F.W_hh, F.b_ih, F.b_hh, F.w_ch, c))"
PEEPHOLES, CLIP = ("options.peepholes", "options.together"), ("options.clip",)


def lstm(
    id: str, title: str, old: str, new: str, killed_by: tuple[str, ...], seen: tuple[str, ...] = (), hint: str = ""
) -> Fault:
    """A mistake in the step of an LSTM with options."""
    return Fault(id, title, "cell-variant", "lstm with options", old, new, killed_by, seen, hint)


FAULTS = [
    lstm(
        "peepholes-fio", "the peepholes of i and f are exchanged", I_F,
        f"{I_F}\n    I, F = I._replace(w_ch=F.w_ch), F._replace(w_ch=I.w_ch)",
        PEEPHOLES,
    ),
    lstm(
        "peepholes-iof", "peepholes are read in ONNX' order i, o, f", I_F,
        f"{I_F}\n    F, O = F._replace(w_ch=O.w_ch), O._replace(w_ch=F.w_ch)",
        PEEPHOLES,
    ),
    lstm(
        "peepholes-ignored", "peepholes are ignored", I_F,
        f"p = p.replace(weight_ch=0 * p.arrays['weight_ch'])\n    {I_F}",
        PEEPHOLES,
    ),
    lstm(
        "peephole-sees-the-state-before", "the output gate sees the cell state before, not the one after",
        f"{CELL}\n    {OUT}", f"{OUT}\n    {CELL}", PEEPHOLES,
    ),
    lstm(
        "coupled-gates-ignored", "the forget gate is computed, where it should be 1 - i",
        f"1 - i if coupled_gates else {FORGET}", FORGET,
        ("options.coupled_gates",), hint="the forget gate is computed, where gates are coupled",
    ),
    lstm(
        "coupled-the-other-way", "the input gate is 1 - f, where the forget gate should be 1 - i",
        f"f = 1 - i if coupled_gates else {FORGET}",
        f"f = {FORGET}\n    i = 1 - f if coupled_gates else i", ("options.coupled_gates",),
        hint="the input gate is 1 - f, where gates are coupled",
    ),
    lstm(
        "clip-misses-the-cell-state", "tanh of the cell state reads it without a clip", HIDDEN,
        "h = o * hidden.activation(c)", CLIP, ("https://github.com/microsoft/onnxruntime/issues/27224",),
    ),
    lstm(
        "clip-cuts-the-cell-state", "the cell state itself is cut off, not only what tanh reads", HIDDEN,
        f"{HIDDEN}\n    c = clip(c, hidden.bound or np.inf)", CLIP,
    ),
    lstm(
        "clip-misses-the-candidate", "the candidate reads its sum without a clip",
        "g = candidate(", "g = candidate.activation(", CLIP,
    ),
    Fault("clip-ignored", "the clip is ignored", "cell-variant", "options_of", "config.clip)", "0.0)", CLIP),
    Fault(
        "clip-of-what-comes-out", "the clip falls on what the activation gives, not on what it reads", "cell-variant",
        "rnn_tanh with options", "return activation(z)",
        "return clip(activation.activation(z), activation.bound or np.inf)", CLIP,
    ),
    Fault(
        "activations-ignored", "activations are always the usual ones", "cell-variant", "options_of",
        "config.activations or config.cell.activations", "config.cell.activations",
        ("options.activations",), ("https://github.com/webmachinelearning/webnn/pull/655",),
    ),
    Fault(
        "activations-exchanged", "the activations of the candidate and of the cell state are exchanged", "cell-variant",
        "options_of", "zip(config.cell.choices, names)", "zip(config.cell.choices, [*names[:1], *names[:0:-1]])",
        ("options.activations",),
    ),
    Fault(
        "hard-sigmoid-by-six", "hard sigmoid has a slope of 1/6 instead of 0.2", "precision", "hard_sigmoid",
        "0.2 * z + 0.5", "z / 6 + 0.5", ("options.activations",), hint="hard sigmoid has a slope of 1/6",
    ),
]  # fmt: skip
