"""What dropout does wrong between layers is said, and nothing of what it may do."""

from dataclasses import replace

import numpy as np
import pytest

from conformance import Capabilities, check
from conformance.adapters.reference import as_case
from conformance.diagnosis.asking import Bench
from conformance.diagnosis.dropout import dropout, drops, frequency
from conformance.diagnosis.faulty import FaultyTarget
from conformance.diagnosis.work import Work
from conformance.faults import FAULTS
from conformance.harness.load import open_target
from conformance.judging.subject import Subject
from reference_rnn import cell_of, forward, gradients


def with_masks(mask, kept_at_one=False, **claims):
    """The reference with masks of one's own: ``mask(uniform numbers (T, N, D*H), p)`` gives the factors.

    kept_at_one  whether p = 1 is taken for no dropout
    """
    generator = np.random.default_rng(0)

    def target(case):
        case = as_case(case)
        c, masks = case.config, None
        if c.dropout == 1 and kept_at_one:
            case = case.replace(training=False)
        if case.training and 0 < c.dropout < 1:
            shape = (case.num_steps, case.num_rows, c.num_directions * c.hidden_size)
            masks = [mask(generator.uniform(size=shape), c.dropout) for _ in range(c.num_layers - 1)]
        output, *final = (np.asarray(a, c.numpy_dtype) for _, a in forward(case, masks=masks).items())
        return output, final[0] if len(final) == 1 else tuple(final)

    target.capabilities = Capabilities(dropout=True, max_layers=None, bidirectional=True, **claims)
    return target


def right(drawn, p):
    """Zero with probability p, else 1 / (1 - p)."""
    return np.where(drawn >= p, 1 / (1 - p), 0.0)


def reverse_kept(drawn, p):
    """Only the forward half is dropped."""
    return np.where(np.arange(drawn.shape[-1]) < drawn.shape[-1] // 2, right(drawn, p), 1.0)


WRONG = {
    "nothing": (lambda drawn, p: 0 * drawn + 1, "in training nothing is dropped between layers"),
    "one half": (reverse_kept, "in training nothing of the reverse direction is dropped between layers"),
    "divided by p": (
        lambda drawn, p: np.where(drawn >= p, 1 / p, 0.0),
        "what dropout keeps is multiplied by 1 / p, must be by 1 / (1 - p): with p = 0.25 by 4, must be by 1.333",
    ),
    "not divided": (
        lambda drawn, p: np.where(drawn >= p, 1.0, 0.0),
        "what dropout keeps is multiplied by 1, must be by 1 / (1 - p): with p = 0.25 by 1, must be by 1.333",
    ),
    "one mask": (lambda drawn, p: right(drawn[:, :1], p) + 0 * drawn, "dropout has one mask for all rows"),
    "one mask for two": (
        lambda drawn, p: right(drawn[:1, :1], p) + 0 * drawn, "dropout has one mask for all steps and all rows"
    ),
    "one mask for both": (
        lambda drawn, p: right(np.tile(drawn[..., : drawn.shape[-1] // 2], 2), p),
        "dropout has one mask for both directions",
    ),
    "the wrong way round": (
        lambda drawn, p: np.where(drawn < p, 1 / (1 - p), 0.0),
        "dropout keeps with probability p, must drop with it: ",
    ),
}  # fmt: skip


def bench_of(target, cell="RNN_TANH"):
    """Where experiments on a target are made."""
    return Bench(Subject(open_target(target, in_process=True)), cell_of(cell), "float32", Work(100))


def said(target, cell="RNN_TANH"):
    """What the experiment says of a target."""
    return dropout(bench_of(target, cell))


@pytest.mark.parametrize("cell", ["RNN_TANH", "GRU", "LSTM"])
@pytest.mark.parametrize(("mask", "sentence"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_with_dropout_is_said(mask, sentence, cell):
    (found,) = said(with_masks(mask, cells=(cell,)), cell)
    assert found.startswith(sentence)


def always_in_training(**claims):
    """The reference, in which dropout acts outside training, too."""
    target = with_masks(right, **claims)

    def forward(case):
        return target(as_case(case).replace(training=True))

    forward.capabilities = target.capabilities
    return forward


@pytest.mark.parametrize("cell", ["RNN_TANH", "GRU", "LSTM"])
def test_that_numbers_are_dropped_outside_training_is_said(cell):
    assert said(always_in_training(cells=(cell,)), cell) == ["outside training numbers between layers are dropped, too"]


def of_zeros(drawn, p):
    """Nothing is kept."""
    return 0 * drawn


def without_scale(drawn, p):
    """What is kept stays as it is."""
    return np.where(drawn >= p, 1.0, 0.0)


@pytest.mark.parametrize("mask", [of_zeros, without_scale])
def test_what_else_is_zero_outside_training_is_not_taken_for_what_dropout_drops(mask):
    usual, other = (with_masks(one, cells=("RNN_TANH",)) for one in (right, mask))

    def target(case):
        return (usual if case.training else other)(as_case(case).replace(training=True))

    target.capabilities = usual.capabilities
    assert drops(bench_of(target).subject, cell_of("RNN_TANH")) is None  # nothing goes through, as it must


@pytest.mark.sample
def test_what_drops_numbers_outside_training_is_shown():
    target = always_in_training(cells=("RNN_TANH",))
    found, *_ = check(target, workers=1, in_process=True).diagnosis
    assert found.title == "RNN_TANH: outside training numbers between layers are dropped, too"
    assert found.patch == FAULTS["dropout-in-evaluation"].patch()


@pytest.mark.parametrize("cell", ["RNN_TANH", "LSTM"])
def test_numbers_that_go_elsewhere_without_dropout_are_not_its_mistake(cell):
    target = FaultyTarget(FAULTS["reverse-output-in-walking-order"], cells=(cell,))
    assert target.capabilities.dropout and said(target, cell) == []


def test_with_p_of_one_all_is_dropped():
    assert said(with_masks(right, kept_at_one=True)) == ["with p = 1 nothing is dropped between layers"]
    assert said(with_masks(right)) == []
    found = said(with_masks(WRONG["not divided"][0], kept_at_one=True))
    assert len(found) == 2 and found[0] == WRONG["not divided"][1]  # what is wrong with one p hides nothing of another
    assert found[1] == "with p = 1 nothing is dropped between layers"


def test_what_was_found_stays_where_p_of_one_has_no_answer():
    target = with_masks(WRONG["not divided"][0])

    def forward(case):
        if case.config.dropout == 1:
            raise ValueError
        return target(case)

    forward.capabilities = target.capabilities
    assert said(forward) == [WRONG["not divided"][1]]


def test_a_mask_that_happens_to_drop_nothing_is_asked_for_again():
    calls = []

    def late(drawn, p):
        calls.append(p)
        shared = right(drawn[:1, :1], p) if len(calls) > 4 else 1 / (1 - p)
        return shared + 0 * drawn

    assert said(with_masks(late)) == ["dropout has one mask for all steps and all rows"]


def test_one_mask_for_all_layers_is_seen_with_three_of_them():
    drawn = {}

    def first_of_call(uniform, p):
        return right(drawn.setdefault(p, uniform), p)

    target = with_masks(first_of_call)

    def forward(case):
        drawn.clear()
        return target(case)

    forward.capabilities = replace(target.capabilities, bidirectional=False)
    assert said(forward) == ["dropout has one mask for all layers"]
    forward.capabilities = replace(forward.capabilities, max_layers=2)
    assert said(forward) == []


@pytest.mark.parametrize("cell", ["RNN_TANH", "GRU", "LSTM"])
@pytest.mark.parametrize("dropped", ["x", "output", "h_n"])
def test_what_is_dropped_that_is_not_between_layers_is_said(dropped, cell):
    plain, generator = with_masks(right, cells=(cell,)), np.random.default_rng(1)

    def some(array, p):
        return (array * right(generator.uniform(size=array.shape), p)).astype(array.dtype)

    def forward(case):
        case = as_case(case)
        c = case.config
        drops = case.training and 0 < c.dropout < 1
        if drops and dropped == "x":
            case = case.replace(x=some(case.x, c.dropout))
        output, final = plain(case)
        if drops and dropped == "output" and c.num_layers == 1:
            output = some(output, c.dropout)
        if drops and dropped == "h_n" and c.num_layers > 1:
            h_n = final[0] if isinstance(final, tuple) else final
            h_n[: -c.num_directions] = some(h_n[: -c.num_directions], c.dropout)
        return output, final

    forward.capabilities = plain.capabilities
    what = "the final states of a layer are dropped with its output"
    if dropped != "h_n":
        what = f"numbers of {dropped} are dropped, as a network of one layer shows"
    assert said(forward, cell) == [f"in training {what}"]


ONE_LAYER = "in training numbers of {} are dropped, as a network of one layer shows"
HOW = {
    "not scaled up": (lambda drawn, p: 1.0 * (drawn >= p), ONE_LAYER.format("x") + ": what is kept is multiplied by 1"),
    "one mask": (
        lambda drawn, p: right(drawn[:1], p) + 0 * drawn,
        ONE_LAYER.format("x") + ": one mask serves all steps",
    ),
    "half of p": (
        lambda drawn, p: right(drawn, p / 2),
        ONE_LAYER.format("x") + ": what is kept is multiplied by something else",
    ),
    "final states too": (right, ONE_LAYER.format("output") + ": so are those of the final state"),
}


@pytest.mark.parametrize("sizes", [{}, {"hidden_size": (3,), "input_size": (3,)}], ids=["any sizes", "as many inputs"])
@pytest.mark.parametrize("way", HOW)
def test_how_a_single_layer_drops_is_said_where_it_is_not_as_between_layers(way, sizes):
    mask, sentence = HOW[way]
    plain, generator = with_masks(right, cells=("RNN_TANH",), sizes=sizes), np.random.default_rng(1)

    def forward(case):
        case = as_case(case)
        drops = case.training and 0 < case.config.dropout < 1 and case.config.num_layers == 1

        def some(array):
            return (array * mask(generator.uniform(size=array.shape), case.config.dropout)).astype(array.dtype)

        if not drops or way != "final states too":
            return plain(case.replace(x=some(case.x)) if drops else case)
        output, h_n = plain(case)
        output = some(output)
        h_n[0] = output[-1, :, : case.config.hidden_size]
        return output, h_n

    forward.capabilities = plain.capabilities
    (found,) = said(forward)
    assert found.startswith(sentence)
    if not sizes:  # few numbers do not show how often
        assert ("with probability" in found) is (way == "half of p")


def test_what_only_the_first_layer_drops_is_said():
    layers = []

    def in_first(uniform, p):
        layers.append(1)
        return right(uniform, p) if len(layers) == 1 else np.ones_like(uniform)

    plain = with_masks(in_first)

    def forward(case):
        layers.clear()
        return plain(case)

    forward.capabilities = plain.capabilities
    assert said(forward) == ["in training nothing is dropped between layers 1 and 2 (counted from 0)"]


def test_how_often_numbers_are_dropped_is_said_for_each_p():
    few_bits = with_masks(lambda drawn, p: np.where(np.floor(16 * drawn) >= np.floor(16 * p), 1 / (1 - p), 0.0))
    assert said(few_bits) == []
    (found,) = frequency(bench_of(few_bits), 0.1)
    assert found.startswith("with p = 0.1 numbers between layers are dropped with probability 0.06")
    assert frequency(bench_of(few_bits), 0.25) == []
    assert frequency(bench_of(with_masks(right)), 0.1) == frequency(bench_of(with_masks(right)), 1.0) == []


def test_masks_that_come_again_are_not_counted():
    def seeded(case):
        generator = np.random.default_rng(5)
        return with_masks(lambda drawn, p: right(generator.uniform(size=drawn.shape), p))(case)

    seeded.capabilities = with_masks(right).capabilities
    assert frequency(bench_of(seeded), 0.3) == []


@pytest.mark.parametrize("cell", ["RNN_TANH", "RNN_RELU", "GRU", "LSTM"])
def test_nothing_is_said_of_dropout_that_is_right(cell):
    assert said(with_masks(right, cells=(cell,)), cell) == []
    assert said("reference", cell) == []


BACK = {
    "as in evaluation": (lambda kept, p: 0 * kept + 1, "in training gradients go back as if nothing were dropped"),
    "not divided": (
        lambda kept, p: 1.0 * kept, "gradients of what dropout keeps are multiplied by 1, must be by 1 / (1 - p)"
    ),
    "right": (lambda kept, p: kept / (1 - p), None),
}  # fmt: skip


def going_back(cell, back):
    """The reference with dropout, and other gradients: ``back(ask, kept, p)``, where ``ask(mask)`` asks for them."""

    class Target:
        capabilities = Capabilities(cells=(cell,), dropout=True, max_layers=None, gradients=True)
        forward = staticmethod(with_masks(right, cells=(cell,)))

        @staticmethod
        def gradients(case, *d):
            case, p = as_case(case), case.config.dropout
            shape = (case.num_steps, case.num_rows, case.config.hidden_size)
            kept = np.random.default_rng(0).uniform(size=shape) >= p
            found = back(lambda mask: gradients(case, *d, masks=[mask]), kept, p)
            return {name: np.asarray(array, case.config.numpy_dtype) for name, array in found.items()}

    return Target


@pytest.mark.parametrize("cell", ["RNN_TANH", "RNN_RELU", "GRU", "LSTM"])
@pytest.mark.parametrize(("back", "sentence"), BACK.values(), ids=BACK)
def test_how_gradients_go_back_through_dropout_is_said(back, sentence, cell):
    found = said(going_back(cell, lambda ask, kept, p: ask(back(kept, p))), cell)
    assert (not found) if sentence is None else (len(found) == 1 and found[0].startswith(sentence))


@pytest.mark.parametrize("cell", ["RNN_TANH", "RNN_RELU", "GRU", "LSTM"])
def test_another_mask_on_the_way_back_is_said(cell):
    def turned(ask, kept, p):
        """The lower layer hears through the mask of the last step first."""
        found, other = (ask(way / (1 - p)) for way in (kept, kept[::-1]))
        return {**found, **{name: array for name, array in other.items() if name == "x" or "_l0" in name}}

    (found,) = said(going_back(cell, turned), cell)
    assert found == "in training gradients go back through another mask than the one that dropped in this run"


@pytest.mark.parametrize("cell", ["RNN_TANH", "LSTM"])
def test_a_mask_that_is_not_divided_on_the_way_back_alone_is_no_other_mask(cell):
    def unscaled(ask, kept, p):
        """The lower layer hears through the mask as it was drawn; the weights above it saw what was divided."""
        found, other = ask(kept / (1 - p)), ask(1.0 * kept)
        return {**found, **{name: array for name, array in other.items() if name == "x" or "_l0" in name}}

    (found,) = said(going_back(cell, unscaled), cell)
    assert found.startswith("gradients of what dropout keeps are multiplied by 1, must be by 1 / (1 - p)")


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_of_sums_that_round_as_much_nothing_is_said(dtype):
    subject = Subject(open_target("reference", in_process=True))
    assert dropout(Bench(subject, cell_of("RNN_TANH"), dtype, Work(100))) == []


@pytest.mark.parametrize(
    "claims", [{}, {"sizes": {"hidden_size": (1,)}}, {"sizes": {"hidden_size": (1,), "batch": (1,)}}]
)
def test_nothing_is_said_of_few_numbers(claims):
    subject = Subject(open_target(with_masks(lambda drawn, p: 0 * drawn, **claims), in_process=True))
    assert not drops(subject, cell_of("RNN_TANH"))


def test_it_is_in_the_report():
    report = check(with_masks(reverse_kept), properties=["dropout.mask"], workers=1, in_process=True)
    (finding,) = report.diagnosis
    assert finding.fault == "measured.dropout"
    assert finding.title == "RNN_TANH: in training nothing of the reverse direction is dropped between layers"


@pytest.mark.sample
@pytest.mark.parametrize("cell", ["RNN_TANH", "LSTM"])
def test_with_p_of_one_nothing_else_is_said_of_what_is_dropped(cell):
    """Where all of x is dropped, a mistake gives the same by which no gate reads its weights."""
    plain, generator = with_masks(right, cells=(cell,)), np.random.default_rng(1)

    def forward(case):
        case = as_case(case)
        p = case.config.dropout
        if case.training and p:
            kept = right(generator.uniform(size=case.x.shape), p) if p < 1 else 0
            case = case.replace(x=(case.x * kept).astype(case.config.numpy_dtype))
        return plain(case)

    forward.capabilities = plain.capabilities
    report = check(forward, properties=["dropout.everything_at_one"], workers=1, in_process=True)
    assert [(finding.fault, finding.title) for finding in report.diagnosis] == [
        ("measured.dropout", f"{cell}: in training numbers of x are dropped, as a network of one layer shows")
    ]
