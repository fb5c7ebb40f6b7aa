"""The last screen of a report says what is wrong, and what to change."""

import io
from dataclasses import replace

import pytest
from rich.console import Console

import conformance
from conformance import Options, assert_conforms, check
from conformance.chapters import catalogue
from conformance.cli import cli
from conformance.events import Diagnosing, FailureFound, Judged, PropertyResult, Started
from conformance.report import terminal
from conformance.report.pulse import Pulse
from conformance.report.wording import group_failures
from conformance.trial.runner import trial

COLUMNS, ROWS = 80, 24
RED, GREEN = "\x1b[31m", "\x1b[32m"


@pytest.fixture(scope="module")
def wrong(right):
    """The text of a target that does not read one bias."""
    return right.replace('p["bias_hh_l0"])', '0 * p["bias_hh_l0"])')


@pytest.fixture(scope="module")
def report(wrong, tmp_path_factory):
    """What is said of that target."""
    path = tmp_path_factory.mktemp("wrong") / "wrong.py"
    path.write_text(wrong)
    return check(path, saved=False)


def shown(report, width=COLUMNS, terminal_=True):
    """What stands on a terminal of so many columns, or goes into a pipe."""
    out = io.StringIO()
    console = Console(file=out, width=width, force_terminal=terminal_, color_system="standard" if terminal_ else None)
    terminal.show(report, console)
    return out.getvalue()


def test_one_mistake_fits_a_screen(report):
    lines = shown(report).splitlines()
    assert len(lines) <= ROWS
    assert "does not conform" in " ".join(lines[-2:])  # the verdict, which may take two lines
    plain = shown(report, terminal_=False).splitlines()
    assert any(line == "      +z = affine(x, H.W_ih, h, H.W_hh, H.b_ih, 0 * H.b_hh)" for line in plain)


def test_what_goes_out_and_what_comes_in_have_their_colours(report):
    lines = shown(report).splitlines()
    assert any(line.startswith(RED) and "      -" in line for line in lines)
    assert any(line.startswith(GREEN) and "      +" in line for line in lines)
    assert "\x1b" not in shown(report, terminal_=False)


def wrapped(text):
    """The lines of a report that are sentences: no code, and not the verdict, which a pipe gets whole."""
    return [line for line in text.splitlines()[:-1] if not line.startswith("      ") and line != line.lstrip()]


def test_a_pipe_is_as_wide_as_it_is_told(report, monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    wide = shown(report, width=300, terminal_=False)
    assert COLUMNS < max(map(len, wrapped(wide))) <= 100
    monkeypatch.setenv("COLUMNS", "60")
    narrow = shown(report, width=60, terminal_=False)
    assert max(map(len, wrapped(narrow))) <= 60
    assert narrow.split() == wide.split()  # no word is broken


def test_what_was_left_out_is_counted_and_named_in_full_where_asked(wrong, tmp_path, capsys):
    path = tmp_path / "wrong.py"
    path.write_text(wrong)
    for given, full in (([], False), (["-v"], True), (["--verbose"], True)):
        cli.main(["check", str(path), "--property", "shapes", "--no-saved", *given], standalone_mode=False)
        said = " ".join(capsys.readouterr().out.split())
        assert ("allowed strict" in said) is full
        assert ("shapes.batch_first, shapes.unbatched" in said) and (": -v" in said) is not full
    for full in (False, True):
        assert ("allowed" in str(check(path, properties=["shapes"], saved=False, verbose=full))) is full


def test_the_counts_are_those_of_the_properties(report):
    left = sum(result.status == "not_claimed" for result in report.results)
    assert f"not claimed  {left} properties (" in str(report)


def test_an_assertion_begins_with_the_verdict(wrong, tmp_path):
    path = tmp_path / "wrong.py"
    path.write_text(wrong)
    with pytest.raises(AssertionError) as failure:
        assert_conforms(path, properties=["shapes", "equivalence.steps"], saved=False)
    first, *others = str(failure.value).splitlines()
    assert first.startswith(f"{path} does not conform (") and first not in others
    assert any("bias_hh" in line for line in others)


def test_verbose_is_pytests_own(wrong, tmp_path):
    path = tmp_path / "wrong.py"
    path.write_text(wrong)
    with pytest.raises(conformance.UsageError, match="verbose is pytest's own: leave it out, and say pytest -v"):
        conformance.parametrize(str(path), verbose=True)(lambda check: None)


def test_what_was_exercised_is_said_of_the_cases_in_which_it_was_counted(right, wrong, tmp_path):
    for text, said in ((right, True), (wrong, False)):
        (tmp_path / "rnn.py").write_text(text)
        found = check(tmp_path / "rnn.py", properties=["equivalence.steps"], saved=False, verbose=True)
        (result,) = [one for one in found.results if one.status in ("passed", "failed")]
        line = f"  exercised    in {result.examples} cases of equivalence.steps: RNN_TANH: {result.examples};"
        assert (line in str(found)) is said and ("  exercised " in str(found)) is said


def test_an_error_in_every_property_fits_a_screen(right, tmp_path):
    raises = right.replace(
        "    for x in case.x:", '    if len(case.x) > 5:\n        raise ValueError("too long")\n    for x in case.x:'
    )
    (tmp_path / "rnn.py").write_text(raises)
    found = check(tmp_path / "rnn.py", saved=False, in_process=False)
    lines = shown(found).splitlines()
    failed = [result.id for result in found.results if result.status == "failed"]
    assert len(failed) > 12 and len(lines) <= ROWS + 2 * any("note " in line for line in lines)
    last = " ".join(" ".join(lines).split())
    assert last.count("the target raised ValueError: too long") == 2  # in the diagnosis, and with the case
    whole = " ".join(as_verbose(found).split())
    assert all(id in whole for id in failed) and not all(id in last for id in failed)


LONG = "case('LSTM', T=1, x={" + ", ".join(f"({n}, 0, 0): 0.{n}" for n in range(40)) + "})"


def with_results(report, **others):
    """The report, in which other fields of some properties' results have other values, by the name of the property."""
    results = [replace(one, **others.get(one.id.replace(".", "_"), {})) for one in report.results]
    return replace(report, results=results)


def test_of_a_case_that_fills_a_screen_its_beginning_is_shown(report):
    long = with_results(report, equivalence_steps={"counterexample": LONG})
    lines = shown(long).splitlines()
    assert len(lines) <= ROWS and "      ... (more of it: -v)" in [line.rstrip() for line in lines]
    assert "(0, 0, 0): 0.0," in shown(long) and "(39, 0, 0)" not in shown(long)
    assert "(39, 0, 0): 0.39" in as_verbose(long) and "more of it" not in as_verbose(long)


def test_what_fails_in_other_words_is_named(report):
    """A second failure has one line; that of a call about history which fails without one is folded under the first."""
    other = {"status": "failed", "message": "h_n is late", "counterexample": "case('GRU', T=0)"}
    two = with_results(report, lengths_padding_is_zero=other)
    assert "in other words these fail too: lengths.padding_is_zero" in " ".join(shown(two).split())
    assert "h_n is late" not in shown(two) and "h_n is late" in as_verbose(two)

    id = "shapes.calls_are_independent"
    again = {"status": "failed", "message": f"{first_failure(report).message}; alone, too", "counterexample": "case()"}
    folded = with_results(report, shapes_calls_are_independent=again)
    folded.explained = [one for one in folded.explained if one != id]
    assert any(group[0].id == id for group in group_failures(folded))
    folded.alone = [id]
    assert not any(group[0].id == id for group in group_failures(folded))


def first_failure(report):
    """The failure that is shown."""
    return group_failures(report)[0][0]


def test_one_change_of_several_cells_is_shown_once(report):
    """A mistake that is made in two cells is one heading, with what both explain, two titles and one change."""
    (one,) = report.diagnosis
    two = [replace(one, explains=3, telling=4), replace(one, title="and in another cell", explains=5, telling=6)]
    text = str(replace(report, diagnosis=two))
    assert text.count("diagnosis:") == 1 and "(8 of 10" in text
    assert one.title in text and "and in another cell" in text and text.count("-z = affine") == 1


def test_a_failure_that_is_found_again_is_said_in_few_words(capsys):
    screen = terminal.Terminal(Console())
    for id in ("shapes.shapes", "shapes.dtype"):
        screen(FailureFound(PropertyResult(id, "failed", message="the target raised ValueError: no")))
    assert capsys.readouterr().out.splitlines() == [
        "found        shapes.shapes: the target raised ValueError: no",
        "found        shapes.dtype: the same as shapes.shapes",
    ]


def as_verbose(report):
    """The report as ``-v`` prints it."""
    return str(replace(report, verbose=True))


# ---------------------------------------------------------------- while it is judged


def test_the_bar_counts_what_is_judged(right, tmp_path):
    (tmp_path / "right.py").write_text(right)
    options = Options(properties=("shapes", "directions"), saved=False, workers=1)
    events = list(trial(str(tmp_path / "right.py"), options, catalogue))
    (started,) = [event for event in events if isinstance(event, Started)]
    judged = [event.result for event in events if isinstance(event, Judged)]
    assert set(started.properties) == {one.id for one in judged if one.status != "not_claimed"} != set()
    screen = terminal.Terminal(Console(file=io.StringIO()))
    for event in events[:-1]:
        screen(event)
    (task,) = screen.progress.tasks
    assert task.completed == task.total == len(started.properties) < len(judged)


def test_what_is_done_after_judging_has_a_name(wrong, tmp_path):
    (tmp_path / "wrong.py").write_text(wrong)
    options = Options(properties=("equivalence.steps",), saved=False, workers=1)
    events = list(trial(str(tmp_path / "wrong.py"), options, catalogue))
    texts = [event.text for event in events if isinstance(event, Diagnosing)]
    assert texts == ["a new process judges what failed", "the target is asked once more"]


def test_a_log_gets_a_line_now_and_then(capsys):
    pulse = Pulse(lambda: "judging\n: shapes", every=0.01)
    pulse.start()
    said = ""
    while said.count("\n") < 2:
        said += capsys.readouterr().err
    pulse.stop()
    pulse.stop()
    assert set(said.splitlines()) == {"still judging : shapes"}


@pytest.mark.parametrize(("done", "total"), [(0, 0), (0, 40), (40, 40)])
def test_no_time_is_foretold_where_nothing_is_measured_or_left(done, total):
    assert terminal.how_far("diagnosis", done, total, 300.0) == "diagnosis, after 5 min"
