"""States and single steps, planted: each mistake is made in one place and found at every seed."""

import numpy as np
import pytest

import conformance
from conformance import Capabilities
from conformance.adapters import reference


def rows_of(state, change):
    """A state with its axis of rows changed, where it has one."""
    return None if state is None else change(state) if state.ndim == 3 else state


def everybody_the_first(case):
    return case.replace(h_0=rows_of(case.h_0, lambda s: np.repeat(s[:, :1], s.shape[1], 1)))


def only_the_first(case):
    keep = lambda s: np.concatenate([s[:, :1], 0 * s[:, 1:]], 1)  # noqa: E731
    return case.replace(h_0=rows_of(case.h_0, keep))


def the_first_of_two_rows_only(case):
    """c_0 alone, and only where there are two rows."""
    return everybody_the_first(case.replace(h_0=case.c_0)).h_0 if case.num_rows == 2 else case.c_0


def exchanged(case):
    return case.replace(h_0=case.c_0, c_0=case.h_0) if case.c_0 is not None and not case.config.proj_size else case


def rows_like_steps(case):
    """Dropped where its shape is not that of a step of x: somebody compared the wrong shapes."""
    if case.h_0 is None or case.unbatched or case.h_0.shape[1:] != case.x.shape[1:]:
        return case
    return case.replace(h_0=np.zeros_like(case.h_0))


def batch_first_by_its_shape(case):
    """A state is taken for batch-first where x has as many rows as there are layers and directions."""
    if case.h_0 is None or case.unbatched or case.h_0.shape[0] != case.num_rows or case.h_0.shape[0] == 1:
        return case
    return case.replace(h_0=case.h_0.swapaxes(0, 1).copy())


BEFORE = {
    "the state of row 0 for all rows": everybody_the_first,
    "a state for row 0 only": only_the_first,
    "c_0 of row 0 for both of two rows": lambda case: case.replace(c_0=the_first_of_two_rows_only(case)),
    "h_0 and c_0 exchanged": exchanged,
    "no state where it has the shape of a step of x": rows_like_steps,
    "a state read by rows where there are as many as entries": batch_first_by_its_shape,
}


@pytest.mark.sample
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", BEFORE)
def test_a_mistake_with_initial_states_is_found(name, seed):
    class Target:
        capabilities = reference.capabilities

        def forward(self, case):
            return reference.forward(BEFORE[name](reference.as_case(case)))

    found_at(Target, seed, ["equivalence.steps"])


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("what", ["h_n", "c_n"])
def test_a_result_that_is_an_input_where_there_are_no_steps(what, seed):
    class Target:
        capabilities = Capabilities(cells=("LSTM",), empty=True, max_layers=2)

        def forward(self, case):
            output, states = reference.forward(case)
            if len(case.x):
                return output, states
            return output, (case.h_0, states[1]) if what == "h_n" else (states[0], case.c_0)

    report = found_at(Target, seed, ["shapes.results_own_their_memory"])
    assert report.results[0].message.startswith(f"{what} shares memory with {what[0]}_0")


def found_at(target, seed, ids):
    """The report of a check that must fail."""
    report = conformance.check(target, seed=seed, properties=ids, diagnosis=False)
    assert report.verdict == "fails", report.reasons
    return report
