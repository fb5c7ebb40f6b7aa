"""Mistakes that follow from the equations: each is one change, told apart from them, and found."""

import re

import numpy as np
import pytest

from conformance import Capabilities, check
from conformance.adapters import reference
from conformance.adapters.reference import as_case
from conformance.diagnosis.faulty import FaultyTarget
from conformance.diagnosis.search import HABIT
from conformance.faults import FAULTS
from conformance.faults.operators import answers, clipped, derived, drawn, indistinct, other_orders
from conformance.faults.patching import FaultyReference, patched_source
from conformance.faults.wiring import answers as wired
from conformance.faults.wiring import narrowly, packed, wiring
from conformance.kills import kill
from reference_rnn import CELLS, Case, Config, cell, cell_of, forward, mix, parameter_shapes, sigmoid, tanh
from reference_rnn.equations import written_out

MGU = ("f = sigmoid(p.f(x, h))", "n = tanh(p.n(x, f * h))", "return mix(f, h, n)")
HOLDING = ("z = sigmoid(p.z(x, h))", "return mix(z, tanh(p.n.input(x)), h)")

# What stands for what, on the equations of a GRU and an LSTM.
EXAMPLES = {
    "b_hr is left out (GRU)": ("GRU", "R.b_ih, R.b_hh))", "R.b_ih, (0 * R.b_hh)))"),
    "x in z has the wrong sign (GRU)": ("GRU", "z = sigmoid(affine(x,", "z = sigmoid(affine((0 - x),"),
    "b_hn counts twice (GRU)": ("GRU", "N.W_hh, N.b_hh)", "N.W_hh, (2 * N.b_hh))"),
    "W_hr stands where W_hz should (GRU)": ("GRU", "Z.W_ih, h, Z.W_hh", "Z.W_ih, h, R.W_hh"),
    "W_hz is applied transposed (GRU)": ("GRU", "Z.W_ih, h, Z.W_hh", "Z.W_ih, h, Z.W_hh.T"),
    "gates are packed in the order z, r, n (GRU)": ("GRU", "R, Z, N = by_gate(p)", "Z, R, N = by_gate(p)"),
    "tanh is not applied (GRU)": ("GRU", "n = tanh(linear(", "n = (linear("),
    "1 - z stands where z should (GRU)": ("GRU", "return mix(z,", "return mix((1 - z),"),
    "r multiplies the product with h, but for its bias, and not h itself, in n (GRU_RESET_BEFORE)": (
        "GRU_RESET_BEFORE", "affine(x, N.W_ih, r * h,",
        "linear(x, N.W_ih, N.b_ih + N.b_hh) + r * linear(h, N.W_hh, 0 * N.b_hh)",
    ),
    "tanh of c comes behind the projection (LSTM)": ("LSTM", "o * tanh(c)", "return (tanh(p.projected(h)), c)"),
    "the c of the step before is read, not the new one (LSTM)": ("LSTM", "h = o * tanh(c)", "h = o * tanh(before)"),
}  # fmt: skip


@pytest.mark.parametrize("title", EXAMPLES)
def test_an_operator_does_what_its_title_says(title):
    cell, old, new = EXAMPLES[title]
    found = [fault for fault in derived(cell_of(cell)).values() if fault.title == title]
    texts = [patched_source((fault,)) for fault in found]
    assert any(new in text and text.count(old) == (old in new) for text in texts)


@pytest.mark.parametrize("cell", CELLS)
def test_every_mistake_is_one_change_that_is_told_apart(cell):
    right = written_out(cell)
    mistakes = derived(cell)
    assert len(mistakes) > 20 and not indistinct(cell)
    texts = {id: patched_source((fault,)) for id, fault in mistakes.items()}
    assert len(set(texts.values())) == len(texts) and right not in texts.values()
    numbers = {answers(cell, text) for text in texts.values()}
    assert len(numbers) == len(texts) and answers(cell, right) not in numbers


def test_what_another_order_of_a_sum_gives_is_no_mistake(own_cell):
    cell = own_cell("commutes", "z = sigmoid(p.z(x, h))", "return z * h + h * z")
    same = [fault.title for fault in indistinct(cell).values()]
    assert "h stands where z should in the result (COMMUTES)" not in same
    assert all(title.endswith("(COMMUTES)") for title in same)


def test_mistakes_of_a_cell_that_nobody_has_written_down(own_cell):
    cell = own_cell("mgu", *MGU)
    titles = {fault.title for fault in derived(cell).values()}
    assert {"1 - f stands where f should (MGU)", "gates are packed in the order n, f (MGU)"} <= titles
    assert all(fault.about(cell) and not fault.about(cell_of("GRU")) for fault in derived(cell).values())


def test_each_value_that_equations_compute_may_be_cut_off(own_cell):
    cell = own_cell("mgu", *MGU)
    texts = {fault.title: patched_source((fault,)) for fault in clipped(cell, 2.5)}
    assert list(texts) == ["f is cut off at 2.5 (MGU)", "n is cut off at 2.5 (MGU)"]
    assert all("= np.clip(" in text and text.count(", -2.5, 2.5)") == 1 for text in texts.values())
    twice = own_cell("again", "n = tanh(p.n(x, h))", "n = n * n", "n = n * n", "m = k = n", "return m")
    assert [fault.title for fault in clipped(twice, 2.5)] == ["n is cut off at 2.5 (AGAIN)"]


def test_what_every_loop_can_do_wrong_can_be_done_with_any_cell(own_cell):
    cell = own_cell("mgu", *MGU)
    assert FAULTS["reverse-runs-forward"].about(cell) and not FAULTS["gates-igfo"].about(cell)


@pytest.mark.sample
def test_every_mistake_of_ones_own_cell_is_found(own_cell):
    cell = own_cell("holding", *HOLDING)
    found = [kill(fault) for fault in derived(cell).values()]
    assert found and not [result.fault for result in found if not result.property]


@pytest.mark.sample
def test_a_cell_of_ones_own_is_right_as_it_stands(own_cell):
    cell = own_cell("mgu", *MGU)
    report = check(FaultyTarget(cells=(cell,)), properties=["equivalence", "shapes"], diagnosis=False)
    assert report.verdict == "conforms"


@cell("fn")
def otherwise_called(inp, s, w, leak=0.3):
    """Other names for everything, and a default."""
    f = sigmoid(w.f(inp, h=s))
    return leak * mix(f, s, tanh(w.n(inp, s)))


def test_names_and_defaults_of_the_author_make_no_difference():
    titles = {fault.title for fault in derived(otherwise_called).values()}
    assert "s stands where f should in the result (OTHERWISE_CALLED)" in titles and not indistinct(otherwise_called)
    assert "1 - f stands where f should (OTHERWISE_CALLED)" in titles
    assert not any(" w " in title or " w's" in title for title in titles)


WIRING = {
    "initial[0] stands where initial[len(final)] should, in run",
    "x[(t) - 1] stands where x[t] should, in scan",
    "every row reads the state of the first row",
    "bias_ih is read in layer 0 only",
    "weight_hh is that of the forward direction everywhere",
    "each gate's weight_ih is applied transposed",
    "0 stands where layer should, in layer_parameters",
    "layer 0 starts from zero",
    "each upper layer lays its output down in reversed order",
    "the reverse half comes first in layer 0",
    "a row ends a step late in the reverse direction",
}


@pytest.mark.sample
def test_the_loops_have_their_mistakes_too():
    titles = {fault.title for fault in wiring().values()}
    assert len(titles) > 35 and titles >= WIRING
    numbers = [wired(FaultyReference(fault)) for fault in wiring().values()]
    assert len(set(numbers)) == len(numbers) and wired(FaultyReference()) not in numbers


def test_other_orders_of_gates_stay_few_and_hold_every_slip():
    right = tuple("abcdefgh")
    orders = {tuple(right[place] for place in order) for order in other_orders(8)}
    assert {"bacdefgh", "hbcdefga", "bcdefgha", "efghabcd", "acdebfgh"} <= {"".join(order) for order in orders}
    assert len(orders) < 100 and right not in orders
    assert len(other_orders(4)) == 23  # all there are


@pytest.mark.sample
@pytest.mark.parametrize("cell", ["GRU", "LSTM"])
def test_gates_may_be_packed_otherwise_in_some_of_the_parameters(cell):
    mistakes = packed(cell_of(cell))
    assert len({fault.title for fault in mistakes.values()}) == len(mistakes) >= 40
    assert not packed(cell_of("RNN_TANH"))
    numbers = [wired(FaultyReference(fault)) for fault in mistakes.values()] if cell == "LSTM" else []
    assert len(set(numbers)) == len(numbers) and wired(FaultyReference()) not in numbers


def test_gates_that_are_packed_otherwise_in_one_direction_are_named():
    title = "gates are packed in the order i, f, o, g in the reverse direction (LSTM)"
    (fault,) = (f for f in packed(cell_of("LSTM")).values() if f.title == title)
    report = check(FaultyTarget(fault, cells=("LSTM",)), properties=["equivalence.steps"])
    assert report.diagnosis[0].exact and report.diagnosis[0].title == title


def test_a_mistake_in_the_loops_is_named_where_nobody_has_written_it_down():
    (fault,) = (f for f in wiring().values() if f.title.startswith("bias_hh is read in layer 0 only"))
    report = check(FaultyTarget(fault, cells=("GRU",)), properties=["equivalence.steps", "layers"])
    assert report.diagnosis[0].exact and "bias_hh" in report.diagnosis[0].title


@pytest.mark.sample
def test_a_mistake_in_some_layers_of_one_direction_is_named():
    (fault,) = (f for f in narrowly().values() if f.title == "the reverse direction of the last layer starts from zero")
    report = check(FaultyTarget(fault, cells=("GRU",)), properties=["equivalence.steps"])
    assert report.diagnosis[0].exact and report.diagnosis[0].title == fault.title


@pytest.mark.parametrize("what", ["the state", "h", "c"])
def test_states_that_go_on_behind_rows_go_on_in_the_padding_in_one_direction(what):
    (behind,) = (
        f for f in narrowly().values() if f.title.startswith(f"{what} goes on behind the end of each row, of zeros")
    )
    (inside,) = (f for f in wiring().values() if f.title == f"{what} goes on in the padding, of zeros")
    generator = np.random.default_rng(0)
    for bidirectional in (False, True):
        config = Config(cell_of("LSTM"), 2, 3, 1, bidirectional, dtype="float64")
        shapes = parameter_shapes(config)
        parameters = {name: generator.standard_normal(shape.sizes) for name, shape in shapes.items()}
        case = Case(config, parameters, generator.standard_normal((4, 3, 2)), lengths=np.array([4, 2, 0]))
        final = [FaultyReference(fault).forward(case) for fault in (behind, inside)]
        alike = all(np.allclose(one, other) for (_, one), (_, other) in list(zip(*(f.items() for f in final)))[1:])
        assert alike is not bidirectional
        gone_on = final[0].h_n if what == "h" else final[0].c_n
        assert not np.allclose(gone_on, forward(case).h_n if what == "h" else forward(case).c_n)


@pytest.mark.sample
@pytest.mark.parametrize(
    "title", ["each layer starts from c taken as if states lay by direction", "c_n is laid by direction"]
)
def test_one_of_two_states_that_lies_otherwise_is_named(title):
    (fault,) = (f for f in wiring().values() if f.title == title)
    report = check(FaultyTarget(fault, cells=("LSTM",)), properties=["equivalence.steps"])
    assert report.diagnosis[0].exact and report.diagnosis[0].title == title


def test_a_habit_beside_a_mistake_is_found():
    """Padding that is read as zero is no mistake, and shows once what is read is added to the output."""
    (fault,) = (f for f in wiring().values() if f.title == "what is read is added to what is given")
    report = check(FaultyTarget(fault, HABIT, cells=("RNN_TANH",)), properties=["equivalence.steps"])
    assert fault.title in {finding.title for finding in report.diagnosis if finding.exact}


@pytest.mark.parametrize("cell", ["GRU", "LSTM"])
def test_the_order_in_a_title_is_the_one_in_which_gates_lie(cell):
    """Each block of a parameter is read for the gate that stands in its place in the title."""
    case = drawn(cell_of(cell), 0).replace(bias=True)
    gates = cell_of(cell).gates
    for fault in packed(cell_of(cell)).values():
        order, kinds = re.match(r"gates are packed in the order (.*) in (.*) \(", fault.title).groups()
        lie = [order.split(", ").index(gate) for gate in gates]
        if kinds.startswith(("weight", "bias")):
            relaid = {
                name: array.reshape(len(gates), -1, *array.shape[1:])[lie].reshape(array.shape)
                if name.removesuffix("_l0") in kinds.split(" and ") else array
                for name, array in case.parameters.items()
            }  # fmt: skip
            given, wanted = FaultyReference(fault).forward(case), forward(case.replace(parameters=relaid))
            assert np.array_equal(given.output, wanted.output), fault.title


class ResetLate:
    """The reset gate multiplies the recurrent product, but for its bias."""

    capabilities = Capabilities(cells=("GRU_RESET_BEFORE",))

    def forward(self, case):
        case = as_case(case)

        def to_inputs(name, array):
            H = case.config.hidden_size
            if name.startswith("bias_ih"):
                return array + np.where(np.arange(3 * H) < 2 * H, 0, case.parameters[name.replace("_ih", "_hh")])
            return np.where(np.arange(3 * H) < 2 * H, array, 0) if name.startswith("bias_hh") else array

        return reference.forward(case.map(lambda *each: to_inputs(*each).astype(each[1].dtype)).replace(cell="GRU"))


@pytest.mark.sample
def test_a_gate_behind_a_product_is_named():
    (finding,) = check(ResetLate, properties=["equivalence.steps"]).diagnosis
    assert finding.exact and finding.title.startswith("r multiplies the product with h, but for its bias")


@cell("h")
def summed(x, h, p):
    """h' = h + z: what is made last is a sum."""
    z = tanh(p.h(x, h))
    return h + z


@pytest.mark.parametrize("own", [*map(cell_of, CELLS), summed], ids=str)
def test_a_state_that_becomes_zero_is_zero_whatever_it_is_made_of(own):
    lost = [fault for fault in derived(own).values() if "becomes zero" in fault.title]
    assert all(not FaultyReference(fault).forward(drawn(own, 0)).h_n.any() for fault in lost)
    assert lost or own.step.__name__ in ("rnn_tanh", "rnn_relu")  # of which a mistake of z gives the same
