"""Right targets, however odd, conform; wrong ones do not, and it is said why."""

from pathlib import Path

import pytest

from conformance import TargetError, check

TARGETS = Path(__file__).parent.parent / "targets"
RIGHT = sorted((TARGETS / "right").glob("*.py"))

# What the report must say of each wrong target, and where.
WRONG = {
    "batch_first_output": ("shapes.shapes", "it is batch first; the first two axes are swapped"),
    "changes_parameters": ("shapes.inputs_untouched", "was changed by the call"),
    "changes_x": ("shapes.inputs_untouched", "x was changed by the call"),
    "direction_major": ("layers.final_states", "h_n["),
    "halves_apart": ("shapes.shapes", "the halves of the directions are not joined"),
    "ignores_lengths": ("lengths.padding_is_zero", "must be zero: row"),
    "keeps_by_bytes": ("shapes.memory_layout", "must be"),
    "keeps_by_identity": ("shapes.calls_are_independent", "must be"),
    "keeps_state": ("shapes.repeatable", "something is kept between calls"),
    "keeps_weights": ("shapes.calls_are_independent", ""),
    "layers_by_directions": ("shapes.shapes", "layers and directions are separate axes"),
    "needs_a_state_batch_first": ("equivalence.steps", "; only with batch_first and without an initial state"),
    "no_layer_axis": ("shapes.shapes", "the axis of layers and directions is missing"),
    "question": ("shapes.shapes", "it has a trailing axis of size 1"),
    "raises_bidirectional": ("directions.reversal", "the target raised ValueError"),
    "raises_keyboard_interrupt": ("equivalence.steps", "the target raised KeyboardInterrupt"),
    "reads_forward_twice": ("directions.reversal", " on A and "),
    "relu_as_tanh": ("equivalence.integer_networks", "must be"),
    "returns_float64": ("shapes.dtype", "has dtype float64, must be float32"),
    "returns_h_0": ("shapes.results_own_their_memory", "h_n shares memory with h_0"),
    "returns_nan": ("equivalence.steps", "is nan, must be"),
    "returns_none": ("shapes.shapes", "forward returned None, must return two arrays: output, h_n"),
    "returns_other_states": ("gradients.back_propagation", "beside the gradients, output["),
    "returns_ragged_lists": ("lengths.padding_is_zero", "output is a list that does not become an array"),
    "returns_string": ("shapes.shapes", "forward returned a str, must return two arrays"),
    "returns_too_much": ("shapes.shapes", "output has shape (1, 16384, 8192): 0.5 GB"),
    "returns_three": ("shapes.shapes", "forward returned a tuple of 3, must return two arrays"),
    "reuses_buffer": ("shapes.results_own_their_memory", "shares memory with an earlier result"),
    "reuses_gradients": ("gradients.results_own_their_memory", "gradient of x shares memory with an earlier result"),
    "reverse_starts_in_padding": ("lengths.padded_row_is_row_alone", " on A and "),
    "rough_tanh": ("equivalence.activation", "must be"),
    "slips_seldom": ("shapes.repeatable", "h_n differs between two calls with the same case"),
    "sigmoid_tanh": ("equivalence.activation", "must be"),
    "swallows_nan": ("nonfinite.propagation", "must be nan"),
    "trailing_axis": ("shapes.shapes", "it has a trailing axis of size 1"),
    "wavers": ("shapes.repeatable", "something is kept between calls"),
    "zeroes_tiny_weights": ("equivalence.magnitudes", "must be"),
}

# What needs a process of its own to be judged: it takes down the one that it is in.
DEADLY = {
    "crashes": "the target died of SIGSEGV",
    "dies_late": "the target died of SIGABRT",
    "eats_memory": "the target took more than 2.0 GiB of memory",
    "exits": "the target raised SystemExit: 3",
    "exits_at_once": "the target ended its process with status 7",
    "forks": "the target did not return in time",
    "hangs": "the target did not return in time",
}

UNUSABLE = {
    "import_error": "does not import: ModuleNotFoundError",
    "nothing_callable": "has no function 'forward'",
    "syntax_error": "has a syntax error at line",
    "unknown_capability": "there is no capability",
}


@pytest.mark.parametrize("path", RIGHT, ids=lambda path: path.stem)
@pytest.mark.sample
def test_what_is_right_is_never_rejected(path, request):
    """On the covering set; with --whole on random cases too, as in benchmarks/false_alarms.py."""
    budget = None if request.config.getoption("whole") else 1e-6
    # a copy of this process, with all that is loaded here, takes its time
    report = check(path, in_process="fork" not in path.stem, budget=budget)
    assert [
        (result.id, result.message, result.counterexample) for result in report.results if result.status == "failed"
    ] == []
    assert report.verdict == "conforms", report.reasons


@pytest.mark.parametrize("name", ["half_sums", "half_wider_states", "lenient_sigmoid"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_an_odd_arithmetic_is_not_rejected_at_another_seed(name, seed):
    report = check(TARGETS / "right" / f"{name}.py", seed=seed, properties=["equivalence", "nonfinite", "symmetries"])
    assert [(result.id, result.message) for result in report.results if result.status == "failed"] == []


@pytest.mark.sample
@pytest.mark.parametrize(
    ("name", "claim"), [("half_sums", "half-sums"), ("lenient_sigmoid", "lenient"), ("tf32", "tf32")]
)
def test_an_odd_arithmetic_must_be_claimed(tmp_path, name, claim):
    text = (TARGETS / "right" / f"{name}.py").read_text()
    assert f'arithmetic="{claim}"' in text
    (tmp_path / "strict.py").write_text(text.replace(f'arithmetic="{claim}"', 'arithmetic="strict"'))
    report = check(tmp_path / "strict.py", properties=["equivalence.steps"], diagnosis=False)
    assert report.verdict == "fails"


@pytest.mark.parametrize(
    "old, new",
    [
        ("i, f, g, o = np.split", "i, f, o, g = np.split"),
        ("fixed<16,6>", "fixed<20,6>"),
        ('"entries": 1024', '"entries": 4096'),
        ('"rounding": "cut", "entries": 1024, "reach": 8', '"rounding": "nearest"'),
        ("times(z, state[0])", "times(z, state[0]) + (3 << 6)"),
    ],
)
@pytest.mark.sample
def test_what_is_wrong_or_coarser_than_claimed_is_found_in_fixed_point(tmp_path, old, new):
    text = (TARGETS / "right" / "fixed_point.py").read_text()
    assert text.count(old) == 1
    (tmp_path / "other.py").write_text(text.replace(old, new))
    report = check(tmp_path / "other.py", properties=["equivalence"], diagnosis=False)
    assert report.verdict == "fails"


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.sample
def test_what_is_wrong_is_rejected_for_the_right_reason(name):
    id, message = WRONG[name]
    report = check(TARGETS / "wrong" / f"{name}.py", properties=[id])
    (result,) = report.results
    assert (report.verdict, result.status) == ("fails", "failed")
    assert message in result.message


@pytest.mark.sample
@pytest.mark.parametrize("name", DEADLY)
def test_what_takes_its_process_down_is_a_finding(name):
    ids = ["shapes.shapes", "equivalence.steps"]
    call_limit = 3 if name in ("hangs", "forks") else 60
    report = check(TARGETS / "wrong" / f"{name}.py", properties=ids, in_process=False, workers=1, call_limit=call_limit)
    # a property of few calls does not come to the hundredth
    assert [result.status for result in report.results] == ["passed" if name == "dies_late" else "failed", "failed"]
    assert DEADLY[name] in report.results[1].message
    # What dies on its hundredth call dies of no case alone (tests/conformance/test_hostile.py).
    first = "first: " if name == "dies_late" else "smallest case: "
    assert report.results[1].counterexample.startswith(f"{first}case('RNN_TANH', T=")


@pytest.mark.sample
@pytest.mark.parametrize("name", UNUSABLE)
def test_what_cannot_be_loaded_is_not_judged(name):
    for in_process in (True, False):
        with pytest.raises(TargetError, match=UNUSABLE[name]):
            check(TARGETS / "wrong" / f"{name}.py", in_process=in_process)


def test_what_is_no_target_is_not_judged():
    with pytest.raises(TargetError, match="5 is a int: neither a name nor something to call"):
        check(5)


@pytest.mark.parametrize("name", ["x" * 5000, "x" * 5000 + ".py", "x" * 5000 + ".py:y", "torch > " + "x" * 5000])
def test_a_name_that_is_too_long_for_a_file_is_one_line(name):
    with pytest.raises(TargetError) as error:
        check(name)
    assert "\n" not in str(error.value)


def test_every_wrong_target_is_listed():
    found = {path.stem for path in (TARGETS / "wrong").glob("*.py")}
    assert found == WRONG.keys() | DEADLY.keys() | UNUSABLE.keys()


def test_a_wrong_shape_is_looked_through():
    report = check(TARGETS / "wrong" / "question.py", properties=["equivalence.steps"])
    (result,) = report.results
    assert "output[1, 0, 0] is 0.7615942, must be 0.9426808 +/- " in result.message  # tanh(1), and tanh(1 + tanh(1))
    assert result.counterexample == (
        "smallest case: case('RNN_TANH', T=2, N=1, I=1, H=1, weight_hh_l0=1, bias_hh_l0=1, h_0=0)"
    )
