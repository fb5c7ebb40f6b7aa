"""Mistakes that go by size, of what is stored, and of what is handed back: each shows, and is named."""

from functools import partial
from itertools import product

import numpy as np
import pytest

from conformance import Capabilities, check
from conformance.adapters import reference
from conformance.adapters.reference import as_case
from conformance.faults import FaultyReference
from conformance.faults.blocks import blocks, blocks_back
from conformance.faults.chunks import chunks, chunks_back
from conformance.faults.handed_back import chosen, handed_back
from conformance.faults.stored import short_operands, stored, stored_back
from conformance.judging.metamorphic import steps
from reference_rnn import Case, Config, cell_of, parameter_shapes, result_shapes, state_shapes

MANY = 95  # of which what is left of each block is another number
ONE_MORE = 97  # of which each block leaves one alone
SIZES = ((4, 3, 3, 3, 2, 2), (MANY, 3, 3, 3, 1, 1), (2, MANY, 3, 3, 1, 2), (2, 3, MANY, 3, 1, 1), (2, 3, 3, MANY, 1, 1),
         (3, 3, 3, 3, 3, 2), (MANY, 3, 3, 3, 1, 2), (ONE_MORE, 3, 3, 3, 1, 1), (2, ONE_MORE, 3, 3, 1, 1),
         (2, 3, ONE_MORE, 3, 1, 1), (2, 3, 3, ONE_MORE, 1, 1),
         (2, 3, MANY - 3, 3, 1, 1), (2, 3, ONE_MORE - 3, 3, 1, 1))  # fmt: skip
RESULTS, GRADIENTS = (stored, blocks, chunks), (stored_back, blocks_back, chunks_back, handed_back)


def drawn(T, N, I, H, L, D):
    """A ragged case in which nothing is alike, with projections where there are three layers."""
    generator = np.random.default_rng(T + N + I + H)
    config = Config(cell_of("LSTM"), I, H, L, D == 2, dtype="float64", proj_size=2 * (L == 3))
    parameters = {name: generator.standard_normal(shape.sizes) / 2 for name, shape in parameter_shapes(config).items()}
    lengths = generator.integers(1, T + 1, N)
    lengths[[0, 2]] = T, 0
    case = Case(config, parameters, generator.standard_normal((T, N, I)), lengths=lengths)
    states = {name: generator.standard_normal(s.sizes) for name, s in state_shapes(case).items() if name != "x"}
    return case.replace(**states)


def results(reference, case):
    return [np.asarray(array) for _, array in reference.forward(case).items()]


def slopes(reference, case, only=""):
    """Gradients of a loss on all results, or on one alone."""
    generator = np.random.default_rng(1)
    d = {f"d_{name}": 64 * generator.standard_normal(shape.sizes) for name, shape in result_shapes(case).items()}
    d = {only: d[only]} if only else d
    return [np.asarray(array) for array in reference.gradients(case, **d).values()]


def apart(one, other):
    """How far results are apart; where one has other shapes, or none, that is far enough."""
    if [array.shape for array in one] != [array.shape for array in other]:
        return np.inf
    return max(abs(a - b).max() for a, b in zip(one, other))


@pytest.mark.sample
@pytest.mark.parametrize("family", [*RESULTS, *GRADIENTS], ids=lambda family: family.__name__)
def test_each_shows(family):
    alone = (partial(slopes, only=name) for name in ("d_output", "d_h_n", "d_c_n"))
    ways = [results] if family in RESULTS else [slopes, *alone]
    cases = [*(drawn(*s) for s in SIZES), drawn(5, 7, 3, 3, 1, 2).replace(lengths=None)]
    right = [(ask, case, ask(FaultyReference(), case)) for ask, case in product(ways, cases)]
    for fault in [*family().values()][:: 1 if family in RESULTS else 3]:
        assert fault.backward_only == (family in GRADIENTS) and fault.patch() and fault.about(cell_of("GRU"))
        off = (apart(one, asked(ask, fault, case)) for ask, case, one in right)
        assert any(1e-10 < some < np.inf for some in off), fault.title


def asked(ask, fault, case):
    """What a mistake gives; nothing where it does not work, as where h and c have other widths."""
    try:
        return ask(FaultyReference(fault), case)
    except ValueError:
        return []


def test_titles_say_which_it_is():
    mistakes = [fault for family in (*RESULTS, *GRADIENTS) for fault in family().values()]
    assert len({fault.title for fault in mistakes}) == len(mistakes) == len({fault.new for fault in mistakes})


def test_conditions_that_always_hold_are_not_written_down():
    assert chosen("0 * d", "True", "True") == "0 * d"
    assert chosen("0 * d", "layer > 0", "number == 0") == "(0 * d if layer > 0 and number == 0 else d)"


def cutting(whole):
    """A target whose recurrent product reads so many units alone, by how many there are."""

    class Cuts:
        capabilities = Capabilities(cells=("RNN_RELU",))

        def forward(self, case):
            case = as_case(case)
            kept = np.arange(case.config.hidden_size) < whole(case.config.hidden_size)

            def cut(name, array):
                return (array * kept).astype(array.dtype) if name.startswith("weight_hh") else array

            return reference.forward(case.map(cut))

    return Cuts


class Single:
    """What a step gives is float32, whatever the dtype is."""

    capabilities = Capabilities(cells=("RNN_TANH",), dtypes=("float64",))

    def forward(self, case):
        case, output = as_case(case), []
        for t in range(case.num_steps):
            _, h = reference.forward(steps(case, t, t + 1))
            case = case.replace(h_0=h.astype("float32").astype("float64"))
            output.append(case.h_0)
        return np.concatenate(output), case.h_0


class SingleProducts:
    """W_ih x + b_ih is kept in float32 for all steps, whatever the dtype is."""

    capabilities = Capabilities(cells=("RNN_TANH",), dtypes=("float64",))

    def forward(self, case):
        p, h, output = case.parameters, case.h_0[0], []
        for summed in (case.x @ p["weight_ih_l0"].T + p["bias_ih_l0"]).astype("float32"):
            h = np.tanh(summed + h @ p["weight_hh_l0"].T + p["bias_hh_l0"])
            output.append(h)
        return np.array(output).reshape(len(output), *h.shape), h[None]


class LostInPadding:
    """A loss on h_n goes in at the last step, where rows that ended before hand nothing back."""

    capabilities = Capabilities(cells=("GRU",), lengths=True, gradients=True)
    forward = staticmethod(reference.forward)

    def gradients(self, case, d_output, d_h_n, d_c_n):
        case = as_case(case)
        if d_h_n is not None:
            d_h_n = (d_h_n * (case.row_lengths == case.num_steps)[:, None]).astype(d_h_n.dtype)
        return reference.gradients(case, d_output, d_h_n, d_c_n)


class Clipped:
    """Gradients are scaled down to a norm of one."""

    capabilities = Capabilities(cells=("RNN_TANH",), gradients=True)
    forward = staticmethod(reference.forward)

    def gradients(self, case, d_output, d_h_n, d_c_n):
        found = reference.gradients(case, d_output, d_h_n, d_c_n)
        mine = {name: array for name, array in found.items() if "_l" in name}
        norm = np.sqrt(sum((array.astype("float64") ** 2).sum() for array in mine.values()))
        return found | {name: (array / max(norm, 1)).astype(array.dtype) for name, array in mine.items()}


SIZES_OF = ("equivalence.sizes", "columns of weight_hh beyond the last whole block of {} are not read")
NAMED = {
    cutting(lambda n: n // 8 * 8 or n): (SIZES_OF[0], SIZES_OF[1].format("8 where there is one")),
    cutting(lambda n: n // 4 * 4 if n > 8 else n): (SIZES_OF[0], SIZES_OF[1].format("4 where there are more than 8")),
    Single: ("equivalence.steps", "the state is rounded to float32 after each step"),
    SingleProducts: ("equivalence.steps", "W_ih x + b_ih is rounded to float32"),
    LostInPadding: (
        "gradients.back_propagation", "a loss on the final states of rows that end before the last step is ignored",
    ),
    Clipped: ("gradients.back_propagation", "the gradient of each parameter is scaled down to a norm of 1"),
}  # fmt: skip


@pytest.mark.sample
@pytest.mark.parametrize("target", NAMED)
def test_it_is_named_where_nobody_has_written_it_down(target):
    prop, title = NAMED[target]
    (finding,) = check(target, properties=[prop]).diagnosis
    assert finding.exact and finding.title == title and finding.patch


@pytest.mark.sample
@pytest.mark.parametrize("whole", [lambda n: n // 12 * 12 or n, lambda n: n // 16 * 16 if n > 16 else min(n, 8)])
def test_no_rule_is_named_that_others_contradict(whole):
    findings = check(cutting(whole), properties=["equivalence.sizes"]).diagnosis
    assert findings and not any("block" in finding.title for finding in findings)


class Tensor:
    """Where units are a multiple of eight, the recurrent product reads eleven bits of each number, as in tf32."""

    capabilities = Capabilities(cells=("RNN_TANH",))

    def forward(self, case):
        case, output = as_case(case), []
        short = case.config.hidden_size % 8 == 0 and case.config.dtype == "float32"
        cut = elevenths if short else np.asarray
        weights = case.map(lambda name, array: cut(array) if name.startswith("weight_hh") else array)
        for t in range(case.num_steps):
            _, h = reference.forward(steps(weights, t, t + 1).replace(h_0=cut(case.h_0)))
            case = case.replace(h_0=h)
            output.append(h)
        return np.concatenate(output), case.h_0


def elevenths(array):
    """The array with eleven significant bits of each number, and what is no number as it is."""
    short = ((array.astype(np.float32).view(np.uint32) + 0x1000) & 0xFFFFE000).astype(np.uint32).view(np.float32)
    return np.where(np.isfinite(array), short, array).astype(array.dtype)


@pytest.mark.sample
@pytest.mark.parametrize(("dtypes", "alone"), [(("float32",), ""), (("float32", "float64"), " in float32")])
def test_bits_that_are_lost_at_some_sizes_are_named(dtypes, alone):
    class Tensors(Tensor):
        capabilities = Capabilities(cells=("RNN_TANH",), dtypes=dtypes)

    findings = check(Tensors, properties=["equivalence.steps", "equivalence.sizes"]).diagnosis
    said = f"h_0 and W_hh are rounded to 11 significant bits{alone}, where H is a multiple of 8"
    assert [(finding.exact, finding.title) for finding in findings] == [(True, said)]
    assert "state[0].shape[-1] % 8 == 0" in findings[0].patch


@pytest.mark.sample
def test_bits_that_are_lost_are_not_taken_for_others():
    """float16 keeps eleven bits, and fewer of small numbers: no other number of bits is named."""

    class Half(Tensor):
        def forward(self, case):
            case = as_case(case)
            if case.config.hidden_size % 8:
                return reference.forward(case)
            return reference.forward(case.map(lambda name, array: half(array) if "_hh" in name else array))

    findings = check(Half, properties=["equivalence.steps", "equivalence.sizes"]).diagnosis
    assert findings and not any("14 significant bits" in finding.title for finding in findings)


def half(array):
    """The array with the numbers that float16 has."""
    return array.astype("float16").astype(array.dtype)


READ = ("x", "weight_ih_l0")


class Narrow:
    """The inputs' product reads eight bits of each number of float32, as in bfloat16, rounded to even."""

    capabilities = Capabilities(cells=("LSTM",), dtypes=("float32", "float64"), no_bias=True, max_layers=1)

    def forward(self, case):
        case = as_case(case)
        if case.config.dtype == "float64":
            return reference.forward(case)
        return reference.forward(case.map(lambda name, array: eighths(array) if name in READ else array))


def eighths(array):
    """The array with eight significant bits of each number, and what is no number as it is."""
    bits = array.view(np.uint32)
    even = (bits + 0x7FFF + (bits >> 16 & 1) & 0xFFFF0000).astype(np.uint32).view(np.float32)
    return np.where(np.isfinite(array), even, array)


@pytest.mark.sample
def test_bits_that_are_lost_are_named():
    (finding,) = check(Narrow, properties=["equivalence.steps"]).diagnosis
    assert finding.exact and finding.title == "x and W_ih are rounded to 8 significant bits (ties to even) in float32"
    assert "weight_ih=short(p.arrays['weight_ih'])" in finding.patch


@pytest.mark.sample
def test_what_is_cut_off_in_some_calls_is_not_named_by_a_rule_that_others_contradict():
    """One answer of many is wrong, by little: what explains it is said of some calls, not of those that are right."""

    class Both(Narrow):
        capabilities = Capabilities(cells=("RNN_TANH",), lengths=True)

        def forward(self, case):
            case = as_case(case)
            if case.config.input_size % 16 or case.lengths is not None:
                return reference.forward(case)
            return reference.forward(case.map(lambda name, array: elevenths(array) if name in READ else array))

    findings = check(Both).diagnosis
    assert findings and all("in some calls" in finding.title for finding in findings if finding.patch)
    assert any("x and W_ih are rounded to 11 significant bits" in finding.title for finding in findings)


@pytest.mark.parametrize("bits", [8, 18, 24])
def test_each_operand_that_is_shortened_shows(bits):
    case = drawn(2, 3, 64, 64, 1, 1)
    case = case.map(lambda name, array: array.astype("float64"))
    right = results(FaultyReference(), case)
    for names in (("x",), ("W_ih", "b_ih"), ("h_0", "W_hh", "b_hh")):
        ways = (True, False) if bits < 24 else (False,)
        mistakes = [fault for up in ways for fault in short_operands(names, bits, up, "float64")]
        assert len({fault.title for fault in mistakes}) == len(mistakes) == len({fault.new for fault in mistakes})
        assert all(apart(right, results(FaultyReference(fault), case)) > 1e-10 for fault in mistakes)
    assert short_operands(("x",), 30, True, "") == ()


def test_biases_that_are_added_in_a_shorter_format():
    case = drawn(2, 3, 4, 4, 1, 1)
    bias = np.arange(1, 1 + len(case.parameters["bias_ih_l0"])) / 3
    case = case.replace(parameters=case.parameters | {"bias_ih_l0": bias, "bias_hh_l0": bias / 7})
    total = (bias.astype("f4") + (bias / 7).astype("f4")).astype(float)
    added = case.replace(parameters=case.parameters | {"bias_ih_l0": total, "bias_hh_l0": 0 * bias})
    [fault] = [
        fault for fault in short_operands(("b_ih", "b_hh"), 24, False, "")
        if fault.title == "b_ih, b_hh and their sum are rounded to float32"
    ]  # fmt: skip
    right = FaultyReference().forward
    given, wanted = FaultyReference(fault).forward(case).output, right(added).output
    assert np.array_equal(given, wanted) and (given != right(case).output).any()
