"""Mistakes in what is kept between calls: what went into an earlier one, and final states as initial ones.

Each keeps some arrays under some key: what is the same in a later call counts as known there.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import product

from .patching import Fault

INDEPENDENT = "shapes.calls_are_independent"
NAMED = "return Parameters(config.cell, {kind: as_float64(array) for kind, array in named.items()})"
RESULT = "return like_case(case, collect(plain, output, final))"
KINDS = {
    "every parameter is": ("weight_ih", "weight_hh", "bias_ih", "bias_hh"),
    "both weights are": ("weight_ih", "weight_hh"), "both biases are": ("bias_ih", "bias_hh"),
    **{f"{kind} is": (kind,) for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")},
}  # fmt: skip
# What must be the same in a later call, as a key of an array ``a`` of a kind.
SAME = {
    "with arrays of those shapes": "(kind, end, np.shape(a))",
    "with layers of those sizes": "(kind, end, np.shape(named['weight_ih']), np.shape(named['weight_hh']))",
    "of that configuration": "(kind, end, config)",
    "with arrays of those shapes and sums": "(kind, end, np.shape(a), float(np.sum(a)))",
    "with arrays of those shapes that begin alike": "(kind, end, np.shape(a), np.array(a).ravel()[:1].tobytes())",
}
# Which of several calls counts, as what stands in the place of the array.
WHICH = {
    "the first call": "kept.setdefault({key}, np.array(a))",
    "the call before": "(kept.get({key}, a), kept.update({{{key}: np.array(a)}}))[0]",
}
# The same where that is the array itself, as it was then: it may have been written again since.
IN_PLACE = "kept.setdefault((kind, end, id(a)), (a, np.array(a)))[1]"
# Which of the parameters that are kept together may be others.
LEFT_OUT = (
    ("weight_ih",), ("weight_hh",), ("weight_hr",), ("bias_ih",), ("bias_hh",), ("bias_ih", "bias_hh"),
    ("weight_ih", "weight_hh"),
)  # fmt: skip
SHAPE = "np.shape(initial)"
STATES = {
    "of that shape": SHAPE,
    "of that shape and dtype": f"(plain.config.dtype, {SHAPE})",
    "of that configuration and batch": f"(plain.config, {SHAPE})",
}
PLAIN = "plain = time_major(case.check())"
RUN = "output, final = run(step, layers, x, initial, plain.row_lengths, kept)"
GRADIENTS = "return {name: found[name] for name, _ in case.arrays()}"
# The same for what else goes in, as a key of it, ``a``, under which it is kept from the first call.
OTHERS = {
    "lengths": {
        "with as many rows": "len(a)", "with the same lengths in another order": "tuple(sorted(a.tolist()))",
        "with as long a row": "(len(a), max(a.tolist(), default=0))",
        "with as many steps in all": "(len(a), sum(a.tolist()))", "in that array": "id(a)",
    },
    **{name: {"of that shape": "np.shape(a)", "in that array": "id(a)"} for name in ("x", "h_0", "c_0")},
}  # fmt: skip


# The same of where rows end, whether lengths are given or not.
ENDS = {"as many rows": "plain.num_rows", "as many steps and rows": "(plain.num_steps, plain.num_rows)"}


@lru_cache(maxsize=1)
def keeping() -> dict[str, Fault]:
    """The mistakes, by id."""
    return {
        fault.id: fault
        for fault in (*parameters(), *together(), *near(), *biases(), *states(), *others(), *padding(), *sums())
    }


def parameters() -> Iterator[Fault]:
    """Parameters that are those of an earlier call."""
    ways = {f"{which} {same}": WHICH[which].format(key=SAME[same]) for same, which in product(SAME, WHICH)}
    ways["the first call in those arrays"] = IN_PLACE
    for number, (what, (when, array)) in enumerate(product(KINDS, ways.items())):
        new = (
            "kept = layer_parameters.__dict__\n"
            f"        named |= {{kind: {array} for kind, a in named.items() if kind in {KINDS[what]}}}\n"
            f"        {NAMED}"
        )
        title = f"{what} kept from {when}"
        id = f"keeping.parameters.{number}"
        yield Fault(id, title, "stale-weights", "layer_parameters", NAMED, new, (INDEPENDENT,))


def together() -> Iterator[Fault]:
    """Parameters that are those of an earlier call in which most of them were the same."""
    ways = [(out, "", "") for out in LEFT_OUT]
    ways += [
        (out, ", and whether there are biases", "config.bias, ")
        for out in LEFT_OUT if any(kind.startswith("bias") for kind in out)
    ]  # fmt: skip
    for number, (out, also, key) in enumerate(ways):
        new = (
            "kept = layer_parameters.__dict__\n"
            f"        key = (end, {key}*(a.tobytes() for kind, a in named.items() if kind not in {out}))\n"
            "        named = kept.setdefault(key, {kind: np.array(a) for kind, a in named.items()})\n"
            f"        {NAMED}"
        )
        title = f"every parameter is kept from the first call in which all but {' and '.join(out)} are the same{also}"
        id = f"keeping.together.{number}"
        yield Fault(id, title, "stale-weights", "layer_parameters", NAMED, new, (INDEPENDENT,))


def near() -> Iterator[Fault]:
    """Parameters that are those of an earlier call, as long as they are hardly others."""
    new = (
        "kept = layer_parameters.__dict__.setdefault((end, config), [])\n"
        "        named = {kind: np.array(a) for kind, a in named.items()}\n"
        "        near = lambda old: all(np.allclose(a, old[kind]) for kind, a in named.items())\n"
        "        kept.append(next(filter(near, kept), named))\n"
        "        named = kept[-1]\n"
        f"        {NAMED}"
    )
    title = "every parameter is kept from a call of that configuration as long as np.allclose tells none from those"
    yield Fault("keeping.near.0", title, "stale-weights", "layer_parameters", NAMED, new, (INDEPENDENT,))


def biases() -> Iterator[Fault]:
    """Biases of an earlier call where there are none."""
    same = {
        "of that shape": "(kind, end, np.shape(a))",
        "of that shape and dtype": "(kind, end, np.shape(a), config.dtype)",
    }
    for number, (said, key) in enumerate(same.items()):
        new = (
            "kept = layer_parameters.__dict__\n"
            "        for kind, a in list(named.items()):\n"
            "            if kind.startswith('bias') and config.bias:\n"
            f"                kept[{key}] = np.array(a)\n"
            "            elif kind.startswith('bias'):\n"
            f"                named[kind] = kept.get({key}, a)\n"
            f"        {NAMED}"
        )
        title = f"where there are no biases, those {said} of the last call that had some are read"
        yield Fault(
            f"keeping.biases.{number}", title, "stale-weights", "layer_parameters", NAMED, new, ("shapes.no_bias",)
        )


def states() -> Iterator[Fault]:
    """A state that is not given, which is the final one of an earlier call."""
    kept = {
        "": "last[{key}] = final",
        " to which none was given either": "if case.h_0 is None:\n        last[{key}] = final",
    }
    started = {"a state": "last[{key}]"} | {
        f"{name} of an LSTM": f"[{old} if zero[1:] else zero for zero, old in zip(initial, last[{{key}}])]"
        for name, old in {"h_0": "(old[0], *zero[1:])", "c_0": "(zero[0], *old[1:])"}.items()
    }
    ways = product(started.items(), STATES.items(), kept.items())
    for number, ((name, begun), (same, key), (which, keep)) in enumerate(ways):
        new = (
            "last = forward.__dict__\n"
            f"    if case.h_0 is None and {key} in last:\n"
            f"        output, final = run(step, layers, x, {begun.format(key=key)}, plain.row_lengths, kept)\n"
            f"    {keep.format(key=key)}\n"
            f"    {RESULT}"
        )
        title = f"{name} that is not given is the final state of the last call {same}{which}"
        yield Fault(
            f"keeping.states.{number}", title, "kept-between-calls", "forward", RESULT, new, ("shapes.default_state",)
        )


def others() -> Iterator[Fault]:
    """Lengths, inputs and states that are those of an earlier call."""
    ways = [(name, said, key) for name, keys in OTHERS.items() for said, key in keys.items()]
    for number, (name, said, key) in enumerate(ways):
        new = (
            f"known, a = forward.__dict__, case.{name}\n"
            "    if a is not None:\n"
            f"        case = case.replace({name}=known.setdefault(('{name}', {key}), (a, np.array(a)))[1])\n"
            f"    {PLAIN}"
        )
        title = f"{name} {'are' if name == 'lengths' else 'is'} kept from the first call {said}"
        yield Fault(f"keeping.others.{number}", title, "kept-between-calls", "forward", PLAIN, new, (INDEPENDENT,))
    for number, (same, key) in enumerate(ENDS.items()):
        new = (
            f"{PLAIN}\n"
            f"    ends = forward.__dict__.setdefault(('ends', {key}), np.array(plain.row_lengths))\n"
            "    plain = plain.replace(lengths=np.minimum(ends, plain.num_steps))"
        )
        title = f"where rows end is kept from the first call of {same}, with lengths or without"
        yield Fault(f"keeping.ends.{number}", title, "kept-between-calls", "forward", PLAIN, new, (INDEPENDENT,))


def padding() -> Iterator[Fault]:
    """What is behind the end of a row, which is what an earlier call has put there."""
    kept = "buffer = forward.__dict__.setdefault({key}, np.zeros(found.output.shape))"
    ways = {
        "is kept for outputs of that shape,": kept.format(key="found.output.shape"),
        "is kept for outputs of that configuration,": kept.format(key="(plain.config, *found.output.shape)"),
        "is laid down in one buffer, which only grows,": (
            "flat, need = forward.__dict__.setdefault('flat', [np.zeros(0)]), found.output.size\n"
            "    flat[0] = flat[0] if flat[0].size >= need else np.zeros(need)\n"
            "    buffer = flat[0][:need].reshape(found.output.shape)"
        ),
    }
    for number, (said, buffer) in enumerate(ways.items()):
        new = (
            "found = collect(plain, output, final)\n"
            f"    {buffer}\n"
            "    alive = np.arange(plain.num_steps)[:, None] < plain.row_lengths\n"
            "    buffer[alive] = found.output[alive]\n"
            "    return like_case(case, Result(np.array(buffer), found.h_n, found.c_n))"
        )
        title = f"the output {said} and is not cleared behind the end of a row"
        yield Fault(
            f"keeping.padding.{number}", title, "stale-memory", "forward", RESULT, new, ("lengths.padding_is_zero",)
        )


def sums() -> Iterator[Fault]:
    """Gradients that are added to those of the calls before, as where nobody sets them to zero."""
    added = {
        "gradients of parameters are": "name in case.parameters",
        "gradients of weights are": "name.startswith('weight')",
        "gradients of biases are": "name.startswith('bias')",
        "gradients of weight_hh, bias_hh and weight_hr are": "name.startswith(('weight_h', 'bias_hh'))",
        "all gradients are": "True",
    }
    same = {
        "of that shape": "(name, np.shape(a))",
        "of that shape and dtype": "(name, np.shape(a), case.config.dtype)",
        "of that configuration": "(name, case.config)",
        "of the same parameters": "(name, np.shape(a), *(p.tobytes() for p in case.parameters.values()))",
        "of the same parameters of that layer and direction": (
            "(name, np.shape(a), *(p.tobytes() for k, p in case.parameters.items()"
            " if k.endswith(name[name.find('_l') :])))"
        ),
    }
    for number, ((what, some), (said, key)) in enumerate(product(added.items(), same.items())):
        new = (
            "sums = by_name.__dict__\n"
            "    for name, a in list(found.items()):\n"
            f"        if {some}:\n"
            f"            sums[{key}] = found[name] = sums.get({key}, 0) + a\n"
            f"    {GRADIENTS}"
        )
        title = f"{what} added to those {said} of the calls before"
        killed_by = "gradients.calls_are_independent"
        yield Fault(f"keeping.sums.{number}", title, "gradient-buffers", "by_name", GRADIENTS, new, (killed_by,))
