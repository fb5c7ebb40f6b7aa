"""While a target is judged Python looks for garbage more seldom, and afterwards as it did before."""

import gc

import pytest

from conformance.trial.garbage import OBJECTS, collected_seldom


@pytest.fixture
def threshold():
    """Sets the threshold, as whoever runs the process may."""
    before = gc.get_threshold()
    yield gc.set_threshold
    gc.set_threshold(*before)


@pytest.mark.parametrize(
    ("own", "within"), [((700, 10, 10), OBJECTS), ((50_000, 5, 5), 50_000), ((0, 10, 10), 0)],
    ids=["usual", "more seldom", "never"],
)  # fmt: skip
def test_it_is_never_more_often_than_whoever_runs_the_process_wants(threshold, own, within):
    threshold(*own)
    with pytest.raises(ZeroDivisionError), collected_seldom():
        assert gc.get_threshold()[0] == within
        raise ZeroDivisionError
    assert gc.get_threshold() == own
