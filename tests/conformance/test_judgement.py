from dataclasses import replace

import numpy as np
import pytest

from conformance.adapters import reference
from conformance.harness.load import open_target
from conformance.judging.metamorphic import mirror
from conformance.judging.oracle import Failure, agree, ordinal, steps_agree, void_layers
from conformance.judging.subject import Subject
from reference_rnn import anchored, arithmetic, case

TWO_STEPS = case("RNN_TANH", D=2, T=2, x=1, weight_ih_l0=1, weight_ih_l0_reverse=1, weight_hh_l0_reverse=1)


def answered(change, subject=TWO_STEPS):
    """The reference's run of a case, with its result changed."""
    run = Subject(open_target(reference))(subject)
    return run.map(subject, change)


def changed(name, index, value):
    def change(result):
        arrays = {part: array.copy() for part, array in result.items()}
        arrays[name][index] = value
        return type(result)(**arrays)

    return change


def test_the_first_bad_step_is_named_in_walking_order():
    with pytest.raises(Failure) as failure:
        steps_agree(answered(changed("output", (1, 0, 1), 0.9428)))
    assert failure.value.message.startswith("output[1, 0, 1] is 0.9428, must be 0.7615942 +/- ")
    assert failure.value.message.endswith("it is the first step of the reverse direction")


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_no_rounding_leads_to_what_is_no_number(value):
    right = answered(lambda result: result)
    wrong = replace(right, result=changed("output", (1, 0, 1), value)(right.result))
    with pytest.raises(Failure, match=r"rounding explains a difference of \d") as failure:
        agree(wrong, right)
    assert failure.value.message.startswith(f"output[1, 0, 1] is {value} and 0.7615942; rounding")


def test_one_bad_step_does_not_blame_the_next():
    run = answered(lambda result: result)
    output = run.result.output.copy()
    output[0, 0, 0] = 0.5
    balls = anchored(run.case, output, run.arithmetic)
    assert not balls.output[0, 0, 0].contains(output[0, 0, 0])
    assert balls.output[1, 0, 0].mid == np.tanh(1.0)


def test_final_states_are_judged_too():
    with pytest.raises(Failure, match=r"h_n\[1, 0, 0\] is 2, .* layer 0, reverse direction"):
        steps_agree(answered(changed("h_n", (1, 0, 0), 2.0)))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_number_that_is_not_finite_is_wrong_where_the_reference_is(value):
    with pytest.raises(Failure):
        steps_agree(answered(changed("output", (0, 0, 0), value)))


def test_integers_must_be_exact():
    counter = case("RNN_RELU", T=3, x=1, weight_ih_l0=1, weight_hh_l0=1)
    steps_agree(answered(lambda result: result, counter))
    with pytest.raises(Failure, match=r"output\[2, 0, 0\] is 3.000001, must be 3 exactly; it is the third step"):
        steps_agree(answered(changed("output", (2, 0, 0), 3.000001), counter))


def test_rounding_is_allowed_and_more_is_not():
    one_ulp = np.nextafter(np.float32(np.tanh(1.0)), np.float32(1))
    steps_agree(answered(changed("output", (1, 0, 1), one_ulp)))
    with pytest.raises(Failure):
        steps_agree(answered(changed("output", (1, 0, 1), np.tanh(1.0) + 1e-5)))


def test_runs_agree_with_their_mirror_images():
    subject = Subject(open_target(reference))
    agree(subject(mirror(TWO_STEPS)), mirror(subject(TWO_STEPS)))
    with pytest.raises(Failure, match=r"output\[0, 0, 1\] is 0.7615942 on A and 0.9426808 on B"):
        agree(subject(mirror(TWO_STEPS)), subject(TWO_STEPS))


def test_a_ball_that_verifies_nothing_is_void():
    chaotic = 1.5 * np.random.default_rng(0).standard_normal((16, 16)) / 4
    chaos = case("RNN_TANH", T=60, H=16, L=2, h_0=0.1, weight_hh_l0=chaotic.tolist(), weight_ih_l1=1)
    run = Subject(open_target(reference))(chaos)
    balls = anchored(chaos, run.result.output, arithmetic("float32"))
    assert list(void_layers(balls, chaos)) == [0, 1]
    calm = steps_agree(answered(lambda result: result))
    assert list(void_layers(calm, TWO_STEPS)) == []


def test_numbers_of_steps_are_english():
    words = {1: "first", 2: "second", 3: "third", 4: "4th", 11: "11th", 13: "13th", 21: "21st", 112: "112th"}
    assert {number: ordinal(number) for number in words} == words
