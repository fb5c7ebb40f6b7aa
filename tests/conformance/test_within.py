"""Mistakes of a step that are made in a direction, some layers or steps alone: what they change, and who tells them."""

from dataclasses import replace

import numpy as np
import pytest

from conformance import check
from conformance.diagnosis.asking import Bench
from conformance.diagnosis.curves import curves
from conformance.diagnosis.faulty import FaultyTarget
from conformance.diagnosis.measured import REVERSE, shown
from conformance.diagnosis.reverse import half, in_reverse, in_two, measured_in_reverse, turns
from conformance.diagnosis.work import EXPERIMENTS, Work
from conformance.faults import FAULTS, FaultyReference, PatchError
from conformance.faults.parts import DIRECTIONS, LAYERS, STEPS
from conformance.faults.patching import Fault
from conformance.faults.wiring import drawn
from conformance.faults.within import within
from conformance.harness.load import open_target
from conformance.judging.metamorphic import rows, steps
from conformance.judging.subject import Subject
from reference_rnn import CELLS, cell_of, forward, gradients, result_shapes

PLACES = DIRECTIONS | LAYERS
COMPUTED_FIRST = "the step that is computed first"
INVERTED = FAULTS["update-inverted-after"]
SIGMOID = "z = sigmoid(affine(x, Z.W_ih, h, Z.W_hh, Z.b_ih, Z.b_hh))"
STEEP = Fault("steep", "", "", "gru", SIGMOID, SIGMOID.replace("affine(", "2 * affine("), ())
HARD = Fault("hard", "", "", "gru", SIGMOID, f"{SIGMOID.replace('sigmoid', 'np.clip(0.5 + 1 / 6 * ')[:-1]}), 0, 1)", ())


def case_of(cell="GRU"):
    """A ragged case of two layers and two directions in which nothing is alike."""
    return drawn(cell_of(cell), 3, 3, 2, 2)


def of(fault, part):
    """A mistake in a part of a network."""
    return next(one for one in within([fault]) if one.within == part)


def taken_apart(case, result):
    """The final states by layer and direction."""
    return {divmod(entry, 2): np.asarray(state) for entry, state in enumerate(result.h_n)}


@pytest.mark.parametrize("part", PLACES)
def test_only_what_reads_the_part_is_wrong(part):
    case = case_of()
    right, wrong = (taken_apart(case, one(case)) for one in (forward, FaultyReference(of(INVERTED, part)).forward))
    everywhere = taken_apart(case, FaultyReference(INVERTED).forward(case))
    layer_0 = {place for place in right if place[0] == 0}
    for place in layer_0:
        same = everywhere if PLACES[part](*place) else right
        assert np.array_equal(wrong[place], same[place])
        assert not np.array_equal(right[place], everywhere[place])
    for place in right.keys() - layer_0:  # reads both halves of the layer below
        assert not np.array_equal(wrong[place], right[place])


@pytest.mark.parametrize("part", PLACES)
def test_gradients_of_other_parts_go_their_way(part):
    fault = FAULTS["reset-missing-in-gradient"]
    case = case_of()
    d = {f"d_{name}": np.ones(shape.sizes) for name, shape in result_shapes(case).items()}
    right, wrong = (one(case, **d) for one in (gradients, FaultyReference(of(fault, part)).gradients))
    last = [(1, direction) for direction in range(2)]  # nothing that is wrong reaches it from above
    for layer, direction in last:
        name = f"weight_ih_l{layer}{'_reverse' * direction}"
        assert np.array_equal(right[name], wrong[name]) != PLACES[part](layer, direction)


def in_two_goes(case, end, first, then):
    """The output and the final state where steps up to one are those of one network, and the others of another."""
    begun = first(steps(case, 0, end))
    ended = then(steps(case, end, case.num_steps).replace(h_0=begun.h_n))
    return np.concatenate([begun.output, ended.output]), ended.h_n


@pytest.mark.parametrize("part", STEPS)
def test_the_steps_of_a_part_are_those_of_the_faulty_network(part):
    case = drawn(cell_of("GRU"), 3, 2, 1, 1).replace(lengths=None)
    faulty, T = FaultyReference(INVERTED).forward, case.num_steps
    goes = {
        "the first step": (1, faulty, forward), "the last step": (T - 1, forward, faulty),
        "each step after the first": (1, forward, faulty), COMPUTED_FIRST: (1, faulty, forward),
    }  # fmt: skip
    given = FaultyReference(of(INVERTED, part)).forward(case)
    output, h_n = in_two_goes(case, *goes[part])
    assert np.array_equal(given.output, output) and np.array_equal(given.h_n, h_n)
    assert not np.array_equal(given.output, forward(case).output)


@pytest.mark.parametrize("part", [part for part in STEPS if part != COMPUTED_FIRST])
def test_the_first_step_of_the_reverse_direction_is_where_a_row_ends(part):
    wrong = FaultyReference(of(INVERTED, part)).forward
    case = case_of()
    assert set(case.row_lengths) != {case.num_steps}
    whole = wrong(case)
    for row, length in enumerate(case.row_lengths):
        alone = wrong(steps(rows(case, [row]).replace(lengths=None), 0, length))
        np.testing.assert_allclose(alone.output[:, 0], whole.output[:length, row], rtol=1e-12)
        np.testing.assert_allclose(alone.h_n[:, 0], whole.h_n[:, row], rtol=1e-12)
    one = drawn(cell_of("GRU"), 3, 2, 1, 1).replace(lengths=None)
    assert np.array_equal(half(wrong(in_two(one, True)), True).output, wrong(one).output)


def test_the_step_that_is_computed_first_is_one_of_the_longest_rows():
    case = drawn(cell_of("GRU"), 3, 2, 1, 2).replace(lengths=np.array([3, 1, 3]))  # of five steps
    apart = FaultyReference(of(INVERTED, COMPUTED_FIRST)).forward(case).output != forward(case).output
    begun = apart.reshape(5, 3, 2, 2).any(-1)  # by step, row and direction
    assert begun[0, :, 0].all() and begun[2, :, 1].tolist() == [True, False, True] and not begun[:, 1, 1].any()


def test_a_way_back_that_is_wrong_in_the_first_step_alone_ends_in_the_initial_state():
    case = drawn(cell_of("GRU"), 3, 2, 1, 1).replace(lengths=None)
    d = {f"d_{name}": np.ones(shape.sizes) for name, shape in result_shapes(case).items()}
    fault = FAULTS["reset-missing-in-gradient"]
    right, wrong = (one(case, **d) for one in (gradients, FaultyReference(of(fault, "the first step")).gradients))
    assert np.allclose(right["x"], wrong["x"], rtol=1e-12) and not np.allclose(right["h_0"], wrong["h_0"])
    later = FaultyReference(of(fault, "each step after the first")).gradients(case, **d)
    assert not np.array_equal(right["x"][0], later["x"][0]) and np.array_equal(right["x"][-1], later["x"][-1])


def test_mistakes_in_two_parts_do_not_fit():
    one, other = of(INVERTED, "layer 0"), of(STEEP, "the reverse direction")
    with pytest.raises(PatchError, match="more than one part of a network: layer 0, the reverse direction"):
        FaultyReference(one, other)
    FaultyReference(one, FAULTS["initial-state-by-direction"])


def test_only_mistakes_of_a_step_are_made_in_a_part():
    made = list(within(FAULTS.values()))
    assert {"update-inverted-after.layer-0", "hard-sigmoid-by-six.the-reverse-direction"} <= {one.id for one in made}
    assert not [one for one in made if one.function in ("run", "scan", "collect", "gradients")]
    assert list(within(made)) == []
    titled = next(one for one in made if one.id == "update-inverted-after.layer-0")
    assert titled.title == "z and 1 - z are exchanged (GRU, reset after), in layer 0 alone"


@pytest.mark.sample
@pytest.mark.parametrize("part", ["the reverse direction", "each upper layer", "the first step"])
def test_a_mistake_of_one_part_has_a_name_with_its_diff(part):
    target = FaultyTarget(of(INVERTED, part), cells=("GRU",))
    [finding] = check(target, properties=["equivalence.steps"], workers=1).diagnosis
    assert finding.exact and finding.patch == INVERTED.patch()
    assert finding.title == f"{INVERTED.title}, in {part} alone"


@pytest.mark.sample
def test_a_mistake_of_the_way_back_in_one_direction_has_a_name():
    fault = FAULTS["reset-missing-in-gradient"]
    target = FaultyTarget(*in_reverse([fault]), cells=("GRU",))
    [finding] = check(target, properties=["gradients.back_propagation"], workers=1).diagnosis
    assert finding.exact and finding.title == f"{fault.title}, in the reverse direction alone"


@pytest.mark.sample
@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (HARD, "the activation of gate z is a hard sigmoid, z / 6 + 1/2"),
        (STEEP, "2.0 * ... stands where something else"),
    ],
)
def test_what_is_measured_in_the_reverse_direction_has_a_name(fault, told):
    """Neither is in the catalogue: one is read off as a curve, the other is what the equations could say."""
    target = FaultyTarget(*in_reverse([fault]), cells=("GRU",))
    [finding] = check(target, properties=["equivalence.steps"], workers=1).diagnosis
    said = finding.hint or finding.title
    assert finding.exact and said.startswith(told) and said.endswith(", in the reverse direction alone")


def bench_of(target, cell="GRU"):
    """A bench for a target in this process."""
    return Bench(Subject(open_target(target, in_process=True)), cell_of(cell), "float32", Work(EXPERIMENTS))


def test_a_curve_of_the_reverse_direction_is_read_off_there():
    bench = bench_of(FaultyTarget(*in_reverse([HARD]), cells=("GRU",)))
    assert curves(bench) == []
    said = "the activation of gate z is a hard sigmoid, z / 6 + 1/2, must be sigmoid(z), where z = W_ih x, h_0 = 1"
    assert measured_in_reverse(curves, bench) == [f"{said}, in the reverse direction alone"]
    assert {lead.within for lead in bench.leads} == {"the reverse direction"}


@pytest.mark.parametrize("cell", CELLS)
def test_nothing_is_said_of_the_reverse_direction_of_the_reference(cell):
    assert shown(bench_of(FaultyTarget(), cell), REVERSE) == []


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("cell", CELLS)
def test_each_direction_of_two_gives_what_a_network_of_one_does(cell, reverse):
    case = replace(drawn(cell_of(cell), 3, 2, 1, 1), lengths=None)
    assert turns(case) and not turns(case_of()) and not turns(case.replace(x=case.x.swapaxes(0, 1), batch_first=True))
    given, right = half(forward(in_two(case, reverse)), reverse), forward(case)
    assert [name for name, _ in given.items()] == [name for name, _ in right.items()]
    for name, array in given.items():
        assert np.array_equal(array, dict(right.items())[name])


@pytest.mark.sample
def test_what_both_of_two_directions_do_is_no_matter_of_the_reverse_one_alone():
    """A path for two directions may have another activation than that for one."""
    hard, right = FaultyTarget(HARD, cells=("GRU",)), FaultyTarget(cells=("GRU",))
    right.forward, usual = lambda case: (hard if case.config.bidirectional else usual).forward(case), FaultyTarget()
    [sentence] = measured_in_reverse(curves, bench_of(right))
    assert sentence.endswith(", in networks of two directions")
    [finding] = check(right, properties=["equivalence.steps"], workers=1).diagnosis
    assert "alone" not in finding.title


@pytest.mark.sample
def test_what_the_equations_could_say_in_layer_0_alone_has_a_name():
    bounded = Fault("bounded", "", "", "gru", "return mix(z, n, h)", "return np.clip(mix(z, n, h), -0.5, 0.5)", ())
    target = FaultyTarget(of(bounded, "layer 0"), cells=("GRU",))
    [finding] = check(target, properties=["equivalence.steps"], workers=1).diagnosis
    assert finding.exact and finding.title.endswith(", in layer 0 alone")
