"""Which shape a result has that must have another one is said in symbols."""

import numpy as np
import pytest

from conformance import Capabilities, check
from conformance.adapters import reference


def shown(change, **claims):
    """The reference, which shows its results otherwise."""

    def target(case):
        return change(case, *reference.forward(case))

    target.capabilities = Capabilities(**claims)
    return target


def cut(case, output, states):
    """As many steps as the longest row has, where lengths are given."""
    steps = None if case.lengths is None else max(case.lengths, default=0)
    return (output[:, :steps] if case.config.batch_first else output[:steps]), states


WRONG = {
    "the initial state, too": (
        shown(lambda case, output, h_n: (np.concatenate([case.h_0[-1:], output]), h_n)),
        "output has shape (T + 1, N, H), must be (T, N, H)",
    ),
    "all steps as rows": (
        shown(lambda case, output, h_n: (output.reshape(-1, output.shape[-1]), h_n)),
        "output has shape (T*N, H), must be (T, N, H)",
    ),
    "the last layer alone": (
        shown(lambda case, output, h_n: (output, h_n[-1:]), bidirectional=True, max_layers=None),
        "h_n has shape (1, N, H), must be (L*D, N, H)",
    ),
    "all gates": (
        shown(lambda case, output, states: (np.concatenate([output] * 4, -1), states), cells=("LSTM",)),
        "output has shape (T, N, 4H), must be (T, N, H)",
    ),
    "up to the longest row": (shown(cut, lengths=True), "output has shape (max(lengths), N, H), must be (T, N, H)"),
    "up to the longest row, batch-first": (
        shown(
            lambda case, *results: cut(case, *results) if case.config.batch_first else results,
            lengths=True, batch_first=True,
        ),
        "output has shape (N, max(lengths), H), must be (N, T, H)",
    ),
}  # fmt: skip


@pytest.mark.sample
@pytest.mark.parametrize(("target", "sentence"), WRONG.values(), ids=WRONG)
def test_a_wrong_shape_is_said_in_symbols(target, sentence):
    report = check(target, properties=["shapes.shapes", "equivalence.steps"], workers=1, in_process=True)
    said = [finding for finding in report.diagnosis if finding.fault == "measured.shapes"]
    (cell,) = target.capabilities.cells
    assert [finding.title for finding in said] == [f"{cell}: {sentence}"]


@pytest.mark.sample
def test_more_units_than_a_projection_leaves():
    target = shown(
        lambda case, output, states: (output[None], states) if case.config.proj_size > 20 else (output, states),
        cells=("LSTM",), projections=True, sizes={"hidden_size": (16, 32)},
    )  # fmt: skip
    report = check(target, properties=["shapes.shapes", "equivalence.steps"], workers=1, in_process=True)
    assert report.verdict == "fails" and not any("mistake of the kit" in line for line in report.known)


@pytest.mark.sample
def test_sizes_that_are_always_alike_are_not_told_apart():
    claims = {"sizes": {"batch": (8,), "steps": (8,)}}
    target = shown(lambda case, output, h_n: (output, h_n.swapaxes(0, 1)[:, :, None]), **claims)
    report = check(target, properties=["shapes.shapes"], workers=1, in_process=True)
    assert not any("(T, " in finding.title.partition(",")[0] for finding in report.diagnosis)


def test_what_no_symbols_fit_has_no_sentence():
    target = shown(lambda case, output, h_n: (output[: len(output) // 2], h_n))
    report = check(target, properties=["shapes.shapes"], workers=1, in_process=True)
    assert not [finding for finding in report.diagnosis if finding.fault == "measured.shapes"]


def test_the_shape_of_a_gradient_is_said():
    class Keeps:
        """Without an axis of rows, the gradient of h_0 has one all the same."""

        capabilities = Capabilities(gradients=True, unbatched=True)
        forward = staticmethod(reference.forward)

        @staticmethod
        def gradients(case, *d):
            found = reference.gradients(case, *d)
            return found | ({"h_0": found["h_0"][:, None]} if case.x.ndim == 2 else {})

    report = check(Keeps, properties=["gradients.shapes"], workers=1, in_process=True)
    [finding] = [one for one in report.diagnosis if one.fault == "measured.shapes"]
    assert finding.title == "RNN_TANH: the gradient of h_0 has shape (1, 1, H), must be (1, H)"


@pytest.mark.sample
def test_the_shape_of_a_projection_s_gradient_is_said():
    """A size is said as P, although that of the smallest case that fails is 1."""

    class Transposes:
        capabilities = Capabilities(cells=("LSTM",), gradients=True, projections=True)
        forward = staticmethod(reference.forward)

        @staticmethod
        def gradients(case, *d):
            found = reference.gradients(case, *d)
            return {name: d.T if name.startswith("weight_hr") else d for name, d in found.items()}

    report = check(Transposes, properties=["gradients.shapes"], workers=1, in_process=True)
    [finding] = [one for one in report.diagnosis if one.fault == "measured.shapes"]
    assert finding.title == "LSTM: the gradient of weight_hr_l0 has shape (H, P), must be (P, H)"


@pytest.mark.sample
def test_the_shape_of_the_gradient_of_a_bias_is_said_as_python_writes_it():
    class OfOneGate:
        capabilities = Capabilities(cells=("LSTM",), gradients=True)
        forward = staticmethod(reference.forward)

        @staticmethod
        def gradients(case, *d):
            found = reference.gradients(case, *d)
            return {name: d[: len(d) // 4] if name.startswith("bias_ih") else d for name, d in found.items()}

    report = check(OfOneGate, properties=["gradients.shapes"], workers=1, in_process=True)
    [finding] = [one for one in report.diagnosis if one.fault == "measured.shapes"]
    assert finding.title == "LSTM: the gradient of bias_ih_l0 has shape (H,), must be (4H,)"


def test_a_shape_that_is_wrong_with_many_rows_alone_is_not_said_of_all():
    many = shown(lambda case, *results: cut(case, *results) if case.x.shape[1] > 2 else results, lengths=True)
    findings = check(many, properties=["shapes.shapes"], workers=1, in_process=True).diagnosis
    assert not any(finding.fault == "measured.shapes" for finding in findings)


@pytest.mark.sample
def test_a_wrong_shape_is_said_beside_another_mistake():
    six = lambda case, *results: cut(case, *(np.minimum(array, 6) for array in results))  # noqa: E731
    both = shown(six, cells=("RNN_RELU",), lengths=True)
    titles = [finding.title for finding in check(both, workers=1, in_process=True).diagnosis]
    assert "RNN_RELU: output has shape (max(lengths), N, H), must be (T, N, H)" in titles and len(titles) > 1
