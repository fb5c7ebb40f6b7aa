"""The last screen of a report says what is wrong, and what to change."""

import io
from dataclasses import replace

import pytest
from rich.console import Console

import conformance
from conformance import Options, assert_conforms, check
from conformance.chapters import catalogue
from conformance.cli import cli
from conformance.events import Judged, Started
from conformance.report import terminal
from conformance.report.pulse import Pulse
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
