"""Mistakes in how the loops store numbers: states, outputs and gradients in a shorter format than that of the dtype.

So may be what a step multiplies: always, or in one dtype, or at sizes that some hardware is made for.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import lru_cache
from itertools import product

from .gradients import BPTT, OUTPUT, SCAN, STEP
from .keeping import GRADIENTS
from .keeping import NAMED as PARAMETERS
from .operators import STEPS, Change, faults_of
from .patching import Fault
from .wiring import FINAL


def cut_off(bits: int) -> dict[str, str]:
    """What becomes of a number {e} of which so many bits of 24 are kept, by how it is said."""
    form = f"np.float64((np.float32({{e}}).view('i4') & -{2 ** (24 - bits)}).view('f4'))"
    return {f"cut off after {bits} significant bits": form}


def rounded(bits: int) -> dict[str, str]:
    """The same where the last of these is rounded."""
    lost = 2 ** (24 - bits)
    return {
        f"rounded to {bits} significant bits":
        f"np.float64((np.float32({{e}}).view('i4') + {lost // 2} & -{lost}).view('f4'))",
    }  # fmt: skip


def to_even(bits: int) -> dict[str, str]:
    """The same where what lies between two such numbers becomes the even one."""
    lost, read = 2 ** (24 - bits), "np.float32({e}).view('i4')"
    form = f"np.float64(({read} + {lost // 2 - 1} + ({read} >> {24 - bits} & 1) & -{lost}).view('f4'))"
    return {f"rounded to {bits} significant bits (ties to even)": form}


HALF = {"rounded to float16": "np.float64(np.float16({e}))"}
SINGLE = {"rounded to float32": "np.float64(np.float32({e}))"}
FORMATS = {  # in which something is stored
    **HALF, **SINGLE, **cut_off(8), **cut_off(11), **rounded(8),
    **rounded(11),
}  # fmt: skip
PRODUCTS = {"W_ih x + b_ih": "b", "W_ih x": "0.0"}  # and what is added to the product
NEXT = "before = state if own is None else"
INITIAL = "state = initial[len(final)]"
READ = "x = [join(*both) for both in zip(*halves)]"
USUAL = "step = step_of(plain.config)"
OPERANDS = {  # what a step multiplies or adds, as the three arguments that it is in: x, the state, parameters by kind
    "x": "x",
    "h_0": "state",
    "W_ih": "weight_ih",
    "W_hh": "weight_hh",
    "b_ih": "bias_ih",
    "b_hh": "bias_hh",
}
SUMMED = ("b_ih", "b_hh")  # which one may add once and for all
WIDTHS = {"the input of a layer": "x.shape[-1]", "H": "state[0].shape[-1]"}
MULTIPLES = (2, 4, 8, 16, 32, 64)


@lru_cache(maxsize=1)
def stored() -> dict[str, Fault]:
    """The mistakes in results, by id."""
    every = (made for how, form in FORMATS.items() for made in of_results(how, form))
    return faults_of("stored", "precision", STEPS, every)


@lru_cache(maxsize=1)
def stored_back() -> dict[str, Fault]:
    """The mistakes in gradients, by id."""
    every = (made for how, form in FORMATS.items() for made in of_gradients(how, form))
    return faults_of("stored.back", "precision", BPTT, every)


def of_results(how: str, form: str) -> Iterator[tuple[str, Change]]:
    """What is stored in a shorter format, each with the loop that is changed; of two states, one or both."""
    of_states = {
        "the state": "tuple({n} for n in {s})",
        "h": "({h}, *{s}[1:])",
        "c": "({s}[0], *({n} for n in {s}[1:]))",
    }
    for name, text in of_states.items():
        after, kept, started = (
            text.format(s=states, n=form.format(e="n"), h=form.format(e=f"{states}[0]"))
            for states in ("new", "state", "initial[len(final)]")
        )
        changes = {
            "after each step": ("scan", STEP, f"{STEP}\n        new = {after}"),
            "behind the output of each step": ("scan", OUTPUT, f"{OUTPUT}\n        state = {kept}"),
            "from step to step": ("scan", NEXT, f"before = {kept} if own is None else"),
            "at the end of each layer": ("run", FINAL, f"final.append({kept})"),
            "before the first step": ("run", INITIAL, f"state = {started}"),
            "before the first step and after each": ("run", f"{INITIAL}\n            {SCAN}", (
                f"state = {started}\n            stored = lambda *given: (lambda new: {after})(step(*given))\n"
                f"            {SCAN.replace('(step,', '(stored,')}"
            )),
        }  # fmt: skip
        for where, (loop, old, new) in changes.items():
            yield loop, Change("store", f"{name} is {how} {where}", old, new)
    for what, bias in PRODUCTS.items():
        yield "scan", Change("store", f"{what} is {how}", STEP, of_product(form.format(e=f"x[t] @ W.T + {bias}"), bias))
    output, read = OUTPUT.removeprefix("output[t] = "), READ.removeprefix("x = ")
    yield "scan", Change("store", f"the output is {how}", OUTPUT, f"output[t] = {form.format(e=output)}")
    short = f"named |= {{k: {form.format(e='as_float64(a)')} for k, a in named.items() if k == 'weight_hr'}}"
    yield "layer_parameters", Change("store", f"W_hr is {how}", PARAMETERS, f"{short}\n        {PARAMETERS}")
    yield "run", Change("store", f"what a layer gives is {how}", READ, f"x = [{form.format(e='o')} for o in {read}]")


def of_product(made: str, bias: str) -> str:
    """A step that reads a product with x, {made} of W and b, in the place of x: each gate has a row of it for a weight.

    A bias that is in it is added nowhere else.
    """
    left = "0 * b" if bias == "b" else "b"
    return (
        "W, b = p.arrays['weight_ih'], p.arrays['bias_ih']\n"
        f"        product = {made}\n"
        f"        new = step(product, before, p.replace(weight_ih=np.eye(len(W)), bias_ih={left}))"
    )


def of_gradients(how: str, form: str) -> Iterator[tuple[str, Change]]:
    """The same of gradients: of what goes back from step to step, and of results."""
    way = f"lambda d: {form.format(e='d')}"
    new = f"{STEP}\n        new = tuple(passed_back(n, (n, {way})) for n in new)"
    yield "scan", Change("store", f"what goes back into a step is {how}", STEP, new)
    for what, bias in PRODUCTS.items():
        new = with_product_handed_back(way, bias)
        yield "scan", Change("store", f"the gradient of {what} is {how}", STEP, new)
    new = GRADIENTS.replace("found[name] for", f"{form.format(e='found[name]')} for")
    yield "by_name", Change("store", f"each gradient is {how}", GRADIENTS, new)


def with_product_handed_back(way: str, bias: str) -> str:
    """The same step, with another way back through the product; each gate is told of what is its own."""
    added = "b.reshape(gates, size)" if bias == "b" else "[0.0] * gates"
    return (
        "W, b, gates = p.arrays['weight_ih'], p.arrays['bias_ih'], len(p.cell.packing('weight_ih'))\n"
        "        size = W.shape[0] // gates\n"
        f"        both = zip(W.reshape(gates, size, -1), {added})\n"
        "        product = join(*(linear(x[t], *gate) for gate in both))\n"
        f"        product = passed_back(product, (product, {way}))\n"
        "        each = type(W)(np.eye(gates * size))\n"
        f"        left = {'type(b)(0 * b.value)' if bias == 'b' else 'b'}\n"
        "        new = step(product, before, p.replace(weight_ih=each, bias_ih=left))"
    )


@lru_cache(maxsize=64)
def short_operands(names: tuple[str, ...], bits: int, up: bool, dtype: str) -> tuple[Fault, ...]:
    """The mistakes by which some OPERANDS of each step keep so many bits of 24: always, or where a size is a multiple.

    up: whether what lies in the middle between two numbers of so many bits becomes the larger one. Each is made in
    every dtype, and in this one alone if it is not "". Those that go by size are of the class "second-path".
    """
    forms = SINGLE if bits == 24 else {}
    if bits < 24:
        forms = rounded(bits) if up else cut_off(bits) | to_even(bits) | (HALF if bits == 11 else {})
    sizes = {f", where {what} is a multiple of {m}": f"{n} % {m} == 0" for (what, n), m in product(
        WIDTHS.items(), MULTIPLES
    )}  # fmt: skip
    dtypes = {"": ""} | ({f" in {dtype}": f"plain.config.dtype == '{dtype}'"} if dtype else {})
    always: list[tuple[str, Change]] = []
    by_size: list[tuple[str, Change]] = []
    whats = {f"{' and '.join(names)} {'are' if len(names) > 1 else 'is'}": of_operands}
    if names == SUMMED:
        whats[f"{', '.join(names)} and their sum are"] = of_their_sum
    for (how, form), (where, size) in product(forms.items(), {"": "", **sizes}.items()):
        for (only, own), (what, text) in product(dtypes.items(), whats.items()):
            title = f"{what} {how}{only}{where}"
            new = text(names, form, " and ".join(filter(None, (own, size))))
            (by_size if size else always).append(("forward", Change("store", title, USUAL, new)))
    family = f"operands.{'-'.join(names)}.{bits}.{'up' if up else 'even'}.{dtype}"
    return (
        *faults_of(family, "precision", STEPS, always).values(),
        *faults_of(f"{family}.by-size", "second-path", STEPS, by_size).values(),
    )


def of_operands(names: Collection[str], form: str, condition: str) -> str:
    """The lines in which a step is given these operands in a shorter format; where a condition holds, if not always."""
    read = [OPERANDS[name] for name in names]
    kinds = ", ".join(f"{kind}=short(p.arrays['{kind}'])" for kind in read if kind not in ("x", "state"))
    x = "short(x)" if "x" in read else "x"
    state = "(short(state[0]), *state[1:])" if "state" in read else "state"
    return stepping(f"{x}, {state}, {f'p.replace({kinds})' if kinds else 'p'}", form, condition)


def of_their_sum(names: Collection[str], form: str, condition: str) -> str:
    """The same of biases that are added before a step is given them, in that format, too."""
    first, second = (OPERANDS[name] for name in names)
    total = f"short(p.arrays['{first}']) + short(p.arrays['{second}'])"
    return stepping(f"x, state, p.replace({first}=short({total}), {second}=0 * p.arrays['{second}'])", form, condition)


def stepping(given: str, form: str, condition: str) -> str:
    """The lines in which a step is given something else, in which ``short`` is a number in a shorter format."""
    where = f" if {condition} else usual(x, state, p)" if condition else ""
    return (
        f"usual, short = step_of(plain.config), lambda a: {form.format(e='a')}\n"
        f"    step = lambda x, state, p: usual({given}){where}"
    )
