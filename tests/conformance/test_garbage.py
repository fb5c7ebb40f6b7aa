"""While a target is judged Python looks for garbage more seldom, afterwards as before; and what happens meanwhile."""

import gc
import subprocess
import sys
import textwrap

import pytest

from conformance.trial.gc_tuning import OBJECTS, collected_seldom


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


def test_a_signal_while_garbage_is_collected_ends_a_worker_without_a_word():
    code = """
    import gc, os, signal
    from conformance.trial.worker_pool import obey
    obey()
    gc.callbacks.append(lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    gc.collect()
    print("still there")
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "")
