"""Only what is new counts: against a stored report, and against another revision."""

import importlib
import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

import conformance
import reference_rnn
from conformance.chapters import catalogue
from conformance.cli import cli
from conformance.events import Diagnosis, Finding, PropertyResult
from conformance.judging.serialisation import case_to_data
from conformance.trial.baseline import Baseline, of_report
from conformance.trial.options import Options, UsageError
from conformance.trial.plan import Plan
from conformance.trial.property_names import Names
from conformance.trial.revision import fails_on

ASKED = ("equivalence.steps", "shapes.dtype", "time.split")
NO_MEMORY = ("h @ p", "case.h_0[0] @ p")
WIDE = ("(output)", "(output).astype(np.float64)")


@pytest.fixture
def target(right):
    """Writes mine.py, right but for some replacements; or another text."""

    def write(*mistakes, before=""):
        text = right
        for old, new in mistakes:
            text = text.replace(old, new)
        Path("mine.py").write_text(before + text)
        return "mine.py"

    return write


def check(target, **options):
    """The report of Python's face."""
    return conformance.check(target, properties=ASKED, saved=False, **options)


def statuses(report):
    """The status of each property that was judged."""
    return {result.id: result.status for result in report.results}


def store(report, **changes):
    """Stores a report, or one that differs in some keys."""
    Path("base.json").write_text(json.dumps(json.loads(report.to_json()) | changes))
    return "base.json"


@pytest.mark.sample
def test_what_failed_before_is_known_and_what_is_mended_is_said(target):
    base = store(check(target(NO_MEMORY)))
    report = check(target(NO_MEMORY), baseline=base)
    assert (report.verdict, report.baseline, report.mended) == ("conforms", "base.json", [])
    assert statuses(report)["equivalence.steps"] == "expected_failure"
    assert report.results[1].message.endswith("; expected: baseline")
    mended = check(target(), baseline=base)
    assert mended.verdict == "conforms" and mended.mended == ["equivalence.steps", "time.split"]
    again = check(target(NO_MEMORY), baseline=store(report))  # a report made with a baseline is one itself
    assert again.verdict == "conforms"


def test_what_is_new_fails(target):
    base = store(check(target(NO_MEMORY), diagnosis=False))
    report = check(target(NO_MEMORY, WIDE), baseline=base)
    assert report.status == 1
    assert [id for id, status in statuses(report).items() if status == "failed"] == ["shapes.dtype"]


def test_the_first_new_failure_is_what_a_trial_stops_at(target):
    base = store(check(target(NO_MEMORY)))
    report = check(target(NO_MEMORY, WIDE), baseline=base, stop_on_first=True)
    assert statuses(report)["shapes.dtype"] == "failed"


def test_another_mistake_behind_the_same_property_is_new(target):
    base = store(check(target(NO_MEMORY)))
    assert json.loads(Path(base).read_text())["diagnosis"][0]["patch"]
    report = check(target(("+ h @", "- h @")), baseline=base)
    assert report.diagnosis and report.status == 1
    assert check(target(("+ h @", "- h @")), baseline=base, diagnosis=False).status == 0  # then it has no name


def test_a_new_mistake_in_one_cell_leaves_what_is_known_of_another():
    """And where every failure could be the known mistake's, the new one counts all the same."""
    cells = {"shapes.shapes": "LSTM", "time.split": "GRU", "layers.in_a_row": "LSTM"}
    base = Baseline("base.json", dict.fromkeys(cells, "failed"), frozenset({"known"}))
    named = {"LSTM": (SimpleNamespace(id="known"),), "GRU": (SimpleNamespace(id="new"),)}
    findings = [Finding(id, id, "+ a line", 1, 1, exact=True) for id in ("known", "new")]

    def judged(*ids):
        case = {id: case_to_data(reference_rnn.case(cells[id], T=1, N=1, I=1, H=1)) for id in ids}
        results = [PropertyResult(id, "failed", "", case=case[id]) for id in ids]
        base.apply(results, Diagnosis(findings, [], named=named), strict=False)
        return [result.status for result in results]

    assert judged(*cells) == ["expected_failure", "failed", "expected_failure"]
    assert judged("shapes.shapes", "layers.in_a_row") == ["failed", "failed"]


def test_a_narrower_claim_fails(target):
    wide = 'capabilities = {"dtypes": ("float32", "float64")}\n'
    base = store(check(target(before=wide)))
    report = check(target(), baseline=base)
    assert report.status == 1 and report.reasons == ["narrower than base.json, which claims dtypes float64"]
    assert check(target(before=wide), baseline=store(check(target()))).status == 0


def test_a_claim_is_compared_by_what_it_says():
    now = conformance.Capabilities(cells=("GRU",))
    told = conformance.Capabilities(cells=("GRU", "LSTM"), bidirectional=True, arithmetic="lenient").as_dict()
    told |= {"cells": ["GRU", {"file": "/gone/spec.py", "name": "mgu", "sha256": "0"}], "of another version": 1}
    (said,) = Baseline("base", {}, claims=told).narrower(now)
    assert said == "narrower than base, which claims cells mgu; bidirectional"
    assert Baseline("base", {}).narrower(now) == []
    assert Baseline("base", {}, claims=now.as_dict()).narrower(now) == []
    weaker = Baseline("base", {}, claims=now.as_dict()).narrower(replace(now, arithmetic="lenient"))
    assert weaker == ["narrower than base, which claims arithmetic strict (both: lenient)"]


def result(id):
    """A failure."""
    return PropertyResult(id, "failed", message="wrong", found={"property": id})


def found(fault, patch="-a"):
    """A diagnosis that names one mistake."""
    return Diagnosis([Finding(fault, "title", patch, 1, 1)], [])


@pytest.mark.parametrize(
    ("baseline", "diagnosis", "strict", "status", "reason"),
    [
        ({"statuses": {"a.a": "failed"}}, None, False, "expected_failure", "baseline"),
        ({"statuses": {"a.a": "expected_failure"}}, None, True, "expected_failure", "baseline"),
        ({"statuses": {"a.a": "passed"}, "kit": "0"}, None, False, "failed", ""),
        ({"statuses": {"a.a": "not_run"}, "kit": "0"}, None, False, "failed", ""),
        ({"statuses": {}, "kit": "0"}, None, False, "expected_failure", "new in kit"),
        ({"statuses": {}, "kit": "0"}, None, True, "failed", ""),
        ({"statuses": {}}, None, False, "failed", ""),
        ({"statuses": {}, "kit": "0", "asked": ["b"]}, None, False, "failed", ""),
        (
            {"statuses": {"a.a": "failed"}, "mistakes": frozenset("m")},
            found("m"),
            False,
            "expected_failure",
            "baseline",
        ),
        ({"statuses": {"a.a": "failed"}, "mistakes": frozenset("m")}, found("n"), False, "failed", ""),
        ({"statuses": {"a.a": "failed"}, "mistakes": frozenset("m")}, found("n", ""), False, "expected_failure", ""),
        ({"statuses": {"a.a": "failed"}}, found("n"), False, "expected_failure", "baseline"),
        ({"statuses": {"a.a": "passed"}, "shows": lambda found: True}, None, False, "expected_failure", "baseline"),
        ({"statuses": {"a.a": "passed"}, "shows": lambda found: False}, None, False, "failed", ""),
    ],
)
def test_what_is_known(baseline, diagnosis, strict, status, reason):
    one = result("a.a")
    Baseline("base", **baseline).apply([one], diagnosis, strict)
    assert one.status == status and reason in one.message


WHOLE = {
    "schema": 1, "kit_version": "0", "capabilities": {"cells": ["RNN_TANH"]}, "asked": [],
    "results": [{"id": "time.split", "status": "failed"}],
    "diagnosis": [{"fault": "m", "patch": "-a", "exact": True, "together": []}],
}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"results": None}, "results is null, must be a list"),
        ({"results": [{"id": "a.a"}]}, r"results\[0\] has no status"),
        (
            {"results": [{"id": "a.a", "status": "passed"}, {"id": [], "status": "failed"}]},
            r"results\[1\].id is \[\], mu",
        ),
        ({"results": {"id": "a.a"}}, "results is {.*}, must be a list"),
        ({"results": ["failed"]}, r"results\[0\] is 'failed', must be an object"),
        ({"results": [{"id": "a.a", "status": 1}]}, r"results\[0\].status is 1, must be a text"),
        ({"diagnosis": [{}]}, r"diagnosis\[0\] has no together"),
        ({"diagnosis": [WHOLE["diagnosis"][0] | {"exact": 1}]}, r"diagnosis\[0\].exact is 1, must be true or false"),
        (
            {"diagnosis": [WHOLE["diagnosis"][0] | {"together": [[]]}]},
            r"diagnosis\[0\].together\[0\] is \[\], must be a t",
        ),
        ({"kit_version": None}, "kit_version is null, must be a text"),
        ({"capabilities": []}, r"capabilities is \[\], must be an object"),
        ({"capabilities": {"cells": 5}}, "capabilities.cells is 5, must be a list"),
        ({"capabilities": {"cells": [{"file": "x"}]}}, r"capabilities.cells\[0\] has no name"),
        ({"asked": "shapes"}, "asked is 'shapes', must be a list"),
        ({"asked": [3]}, r"asked\[0\] is 3, must be a text"),
    ],
)
def test_what_is_wrong_in_a_report_is_said(changes, said):
    names = Names(catalogue())
    assert of_report(WHOLE, "base.json", names).may_know("time.split")
    with pytest.raises(UsageError, match=f"^baseline: base.json is no report: {said}"):
        of_report(WHOLE | changes, "base.json", names)
    for key in WHOLE.keys() - {"asked"}:
        with pytest.raises(UsageError, match=f"it has no {key}"):
            of_report({name: value for name, value in WHOLE.items() if name != key}, "base.json", names)


@pytest.mark.parametrize("odd", [None, 5, -1, "x", [], {}, [[1]], {"a": {}}, True, ["x", "x"], {"hidden_size": 3}])
def test_odd_claims_in_a_report_are_no_traceback(odd):
    claims = conformance.Capabilities()
    for key in claims.as_dict().keys() - {"cells"}:
        base = of_report(WHOLE | {"capabilities": claims.as_dict() | {key: odd}}, "base.json", Names(catalogue()))
        assert all(said.startswith("narrower than base.json") for said in base.narrower(claims))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('""', "baseline: base.json is no report: it is '', must be an object"),
        ("null", "baseline: base.json is no report: it is null, must be an object"),
        (None, "baseline: base.json cannot be read: No such file"),
        ("[", "baseline: base.json cannot be read: it is no JSON"),
        ("[]", "baseline: base.json is no report: .*; write one with rnn-conformance check TARGET --json FILE"),
        ("{}", "baseline: base.json is no report"),
        ('{"schema": 7}', "baseline: base.json is a report of schema 7, must be 1"),
        ('{"reports": [], "schema": 1}', "baseline: base.json has no report on 'mine.py'"),
        ('{"schema": 1, "results": [1]}', "baseline: base.json is no report"),
    ],
)
def test_what_is_no_baseline_is_one_clear_line(target, text, message):
    if text is not None:
        Path("base.json").write_text(text)
    with pytest.raises(UsageError, match=message):
        check(target(), baseline="base.json")


@pytest.mark.sample
def test_pytest_takes_a_stored_one(target):
    base = store(check(target(NO_MEMORY)))
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--pyargs",
        "conformance",
        "--rnn",
        "mine.py",
    ]
    command += [f"--rnn-property={id}" for id in ASKED] + ["--rnn-no-saved", "--rnn-baseline"]
    done = subprocess.run([*command, base], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and "2 xfailed" in done.stdout
    done = subprocess.run([*command, "git:main"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 4 and "baseline: pytest takes a stored report, not git:main" in done.stderr


def test_what_a_known_mistake_no_longer_explains_is_asked_about():
    result = PropertyResult("equivalence.steps", "failed", found={"any": "case"})
    named = Finding("drop", "dropped", "-a\n+b", 3, 3, exact=True)
    for right_before, findings, status in [
        (False, [], "expected_failure"), (True, [], "failed"), (True, [named], "expected_failure"),
    ]:  # fmt: skip
        baseline = Baseline("b", {result.id: "failed"}, frozenset({"drop"}), shows=lambda found, r=right_before: not r)
        again = replace(result)
        baseline.apply([again], Diagnosis(findings, []), strict=False)
        assert again.status == status
    unsure = Baseline("b", {result.id: "failed"}, frozenset({"drop"}), shows=lambda found: None)
    unsure.apply([result], Diagnosis([], []), strict=False)
    assert result.status == "expected_failure"


# ---------------------------------------------------------------- another revision


def git(*words):
    """Runs git here."""
    who = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
    return subprocess.run(["git", *who, *words], check=True, capture_output=True, text=True).stdout


@pytest.fixture
def repository(target):
    """A repository whose first revision has no memory."""
    git("init", "-q")
    target(NO_MEMORY)
    git("add", "mine.py")
    git("commit", "-qm", "first")


@pytest.mark.sample
def test_a_revision_is_judged_in_a_worktree(target, repository):
    target(NO_MEMORY, WIDE)
    report = check("mine.py", baseline="git:HEAD")
    found = statuses(report)
    assert report.status == 1 and report.baseline == "git:HEAD"
    assert found == {
        "equivalence.steps": "expected_failure",
        "shapes.dtype": "failed",
        "time.split": "expected_failure",
    }
    assert git("worktree", "list").count("\n") == 1 and git("status", "--porcelain") == " M mine.py\n"
    target()
    assert check("mine.py", baseline="git:HEAD").mended == ["equivalence.steps", "time.split"]


@pytest.mark.sample
def test_what_a_target_imports_is_that_of_the_revision_too(target, repository, monkeypatch):
    Path("src/package").mkdir(parents=True)
    target(NO_MEMORY)
    os.replace("mine.py", "src/package/__init__.py")
    Path("tests").mkdir()
    Path("tests/adapter.py").write_text("from package import forward\n")
    git("add", ".")
    git("commit", "-qm", "a package")
    target()
    os.replace("mine.py", "src/package/__init__.py")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(Path("src").absolute()), os.environ.get("PYTHONPATH", "")]))
    command = [sys.executable, "-m", "conformance", "check", str(Path("tests/adapter.py").absolute())]
    command += ["--property", "equivalence.steps", "--no-saved", "--baseline", "git:HEAD", "--json", "r.json"]
    assert subprocess.run(command, timeout=120).returncode == 0
    assert json.loads(Path("r.json").read_text())["mended"] == ["equivalence.steps"]
    compare = [*command[:3], "compare", "git:HEAD", "tests/adapter.py"]
    done = subprocess.run(compare, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1 and "OLD leaves the reference, NEW does not" in done.stdout
    git("add", ".")
    git("commit", "-qm", "mended")
    done = subprocess.run(compare, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and done.stdout.splitlines()[-1].startswith(
        "tests/adapter.py is git:HEAD, but for rounding"
    )


def test_a_module_in_the_working_directory_is_that_of_the_revision(target, repository, monkeypatch):
    Path("lib").mkdir()
    git("mv", "mine.py", "lib/beside.py")
    git("commit", "-qm", "moved")
    target()
    os.replace("mine.py", "lib/beside.py")
    monkeypatch.chdir("lib")
    command = [sys.executable, "-m", "conformance", "compare", "git:HEAD", "beside"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1 and "OLD leaves the reference, NEW does not" in done.stdout
    command[4] = "git:HEAD~1"
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2 and "OLD: at git:HEAD~1, there is no file and no module 'beside'" in done.stderr


def test_comparing_with_what_is_no_revision_is_one_clear_line(target, repository):
    for words, line in {
        ("git:", "mine.py"): "git: names no revision, must be like git:main",
        ("git:nothing", "mine.py"): "git: there is no such revision: 'nothing'",
        ("git:HEAD", "torch"): "git: torch comes with this kit, and has no revisions; give a stored report",
    }.items():
        with pytest.raises(UsageError, match=line):
            cli.main(["compare", *words], standalone_mode=False)


def test_a_revision_is_asked_before_a_failure_is_called_new(target, repository, monkeypatch):
    def blind(data, name, names, **others):
        return Baseline(name, {"equivalence.steps": "passed"}, **others)

    monkeypatch.setattr("conformance.trial.revision.of_report", blind)
    report = conformance.check("mine.py", properties=ASKED[:1], saved=False, baseline="git:HEAD")
    assert statuses(report) == {"equivalence.steps": "expected_failure"}


def test_where_there_was_nothing_all_is_new(target, repository):
    git("mv", "mine.py", "other.py")
    git("commit", "-qm", "moved")
    report = check(target(NO_MEMORY), baseline="git:HEAD")
    assert report.status == 1
    assert report.baseline.startswith("git:HEAD, where it cannot be judged: there is no file")


@pytest.mark.parametrize(
    ("name", "revision", "message"),
    [
        ("mine.py", "git:absent", "there is no such revision: 'absent'"),
        ("mine.py", "git:--help", "there is no such revision: '--help'"),
        ("mine.py", "git:", "git: names no revision"),
        ("torch", "git:HEAD", "git: torch comes with this kit, and has no revisions"),
        ("cmd: node mine.js", "git:HEAD", "git: needs a target that is a file or a module"),
        (len, "git:HEAD", "git: needs a target that is a file or a module"),
    ],
)
def test_what_has_no_revision(target, repository, name, revision, message):
    with pytest.raises(UsageError, match=message):
        check(name, baseline=revision, in_process=not isinstance(name, str))


def test_what_is_in_no_repository(target):
    with pytest.raises(UsageError, match="git: fatal: not a git repository"):
        check(target(), baseline="git:HEAD")


# ---------------------------------------------------------------- names that were others once


def renamed():
    """The catalogue, in which one property had another name."""
    return {
        id: replace(prop, formerly=("time.halves",) if id == "time.split" else ()) for id, prop in catalogue().items()
    }


def test_an_old_name_is_accepted_and_said(target):
    Path("known.toml").write_text('[[expected]]\nproperty = "time.halves"\nreason = "known"\n')
    plan = Plan.of(conformance.Options(properties=("time.halves",), expected_failures="known.toml"), renamed)
    assert list(plan.properties) == ["time.split"] == [id for one in plan.expected for id in one.among]
    assert list(plan.names.said) == [
        "time.halves is called time.split now; the old name is accepted until the next release"
    ]
    base = json.loads(check(target(NO_MEMORY)).to_json())
    base["results"][2]["id"] = "time.halves"
    Path("base.json").write_text(json.dumps(base))
    known = Plan.of(conformance.Options(baseline="base.json"), renamed).with_stored_baseline("mine.py").baseline
    assert known.may_know("time.split") and not known.may_know("time.halves")


def test_a_counterexample_of_an_old_name_is_replayed(target, monkeypatch, capsys):
    conformance.check(target(NO_MEMORY), properties=["time.split"], diagnosis=False)
    (file,) = Path(".rnn-conformance").rglob("*.json")
    file.write_text(file.read_text().replace("time.split", "time.halves"))
    monkeypatch.setattr(importlib.import_module("conformance.cli.replay"), "catalogue", renamed)
    assert cli.main(["replay", str(file), "mine.py"], standalone_mode=False) == 1
    assert "time.halves is called time.split now" in capsys.readouterr().out


def test_no_name_means_two_properties():
    names = [name for prop in catalogue().values() for name in (prop.id, *prop.formerly)]
    assert len(names) == len(set(names)) and Names(catalogue()).current("a.b") == "a.b"


def test_the_earlier_version_has_the_limits_of_the_trial(target):
    found = next(one.found for one in check(target(NO_MEMORY), in_process=False).results if one.found)
    assert fails_on(found, "mine.py", Options(), catalogue)
    Path("mine.py").write_text("import time\n\ndef forward(case):\n    time.sleep(60)\n")
    began = time.monotonic()
    fails_on(found, "mine.py", Options(call_limit=0.5), catalogue)
    assert time.monotonic() - began < 8
    target(NO_MEMORY, before="import numpy.linalg\n")
    assert fails_on(found, "mine.py", Options(), catalogue)
    assert not fails_on(found, "mine.py", Options(forbid=("numpy.linalg",)), catalogue)
