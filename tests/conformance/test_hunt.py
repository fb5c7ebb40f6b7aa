"""A hunt never repeats a seed, keeps each distinct failure once, and loses nothing, whatever ends it."""

import contextlib
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from itertools import islice
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner

from conformance.chapters import catalogue
from conformance.cli import cli
from conformance.events import Diagnosis, PropertyResult
from conformance.faults.operators import derived
from conformance.harness.load import TargetError
from conformance.hunt import campaign
from conformance.hunt.campaign import SHARE, Hunt
from conformance.hunt.corpus import KNOWN, Corpus
from conformance.hunt.deduplication import FailureSignature, defects
from conformance.hunt.executors import Processes
from conformance.hunt.hunt_events import FindingFound, HuntOver
from conformance.hunt.shards import Part, Shard
from conformance.hunt.units import Unit, do_unit, file_to_send, options_of
from conformance.report.bug_report import document
from conformance.report.hunt_report import Page, page
from conformance.trial.interrupts import Interrupts
from conformance.trial.options import Options, UsageError
from conformance.trial.verdict import kit_version
from reference_rnn import cell_of

RNN = str(Path(sys.executable).with_name("rnn-conformance"))
WRONG = ("h @ p", "case.h_0[0] @ p")
RARE = ("for x in case.x", "if len(case.x) == 7: h = h + 0.01\n    for x in case.x")
STEPS = ("equivalence.steps",)


class Here:
    """Does units in this process, one at a time, and remembers them."""

    workers = 1

    def __init__(self):
        self.units, self.todo = [], []

    @property
    def busy(self):
        return len(self.todo)

    @property
    def room(self):
        return 1 - self.busy

    def give(self, unit):
        self.units.append(unit)
        self.todo.append(unit)

    def finished(self, seconds):
        return [(self.todo[0], json.loads(do_unit(self.todo.pop(0).to_text())))] if self.todo else []

    def end(self):
        pass

    @property
    def rounds(self):
        """The first units of all rounds."""
        return [unit for unit in self.units if unit.do == "judge" and not unit.only]


def hunted(*targets, shard=Shard(), rounds=2, engine=None, **options):  # noqa: B008
    """The state at the end of a hunt, and who did it."""
    engine = engine or Here()
    options = {"properties": STEPS, "diagnosis": False} | options
    hunt = Hunt(targets, Options(**options), Corpus.made(Path("corpus")), engine, shard, rounds)
    *_, last = hunt.events(Interrupts())
    assert isinstance(last, HuntOver)
    return last.state, engine


@pytest.fixture
def files(tmp_path, right):
    """Targets in the working directory."""
    for name, change in {"right": ("", ""), "wrong": WRONG, "rare": RARE}.items():
        (tmp_path / f"{name}.py").write_text(right.replace(*change, 1) if change[0] else right)
    return tmp_path


def findings(folder="corpus"):
    """The keys of all findings in a corpus."""
    return {tuple(one.key) for one in Corpus.there(Path(folder)).findings().values()}


# ---------------------------------------------------------------- seeds


@pytest.mark.parametrize("of", [1, 2, 5])
def test_shares_are_disjoint_and_all(of):
    shares = [set(islice(Shard(k, of).seeds(10), 20)) for k in range(1, of + 1)]
    assert set.union(*shares) == set(range(10, 10 + 20 * of)) and sum(map(len, shares)) == 20 * of


def test_no_seed_is_taken_twice_whatever_the_shares_of_later_hunts():
    generator, parts, taken = random.Random(1), {}, []
    for _ in range(300):
        of = generator.choice([1, 2, 3, 7])
        shard, base = Shard(generator.randint(1, of), of), generator.choice([0, 5])
        part = parts.setdefault((shard, base), Part("a.py", base, shard))
        part = parts[shard, base] = Part.from_data(json.loads(json.dumps(part.to_data())))  # a resume
        others = [other for other in parts.values() if other is not part]
        seed = part.skip(others, ())
        assert not any(other.has(seed) for other in parts.values())
        part.add(seed)
        assert part.has(seed) and seed % of == (base + shard.number - 1) % of
        taken.append(seed)
    assert len(set(taken)) == len(taken)


def test_rounds_may_end_in_any_order():
    part = Part("a.py", 3, Shard(2, 4))
    for seed in (12, 4, 16):
        part.add(seed)
    assert (part.next, part.ahead, part.done) == (1, {2, 3}, 3)
    assert [seed for seed in range(20) if part.has(seed)] == [4, 12, 16]
    part.add(8)
    assert (part.next, part.ahead) == (4, set())


def test_the_same_share_of_two_folders_counts_once():
    one, other = Part("a.py", 0, Shard()), Part("a.py", 0, Shard())
    for seed in (0, 1, 4):
        one.add(seed)
    for seed in (0, 1, 2, 3):
        other.add(seed)
    one.rounds["x"], other.rounds["x"] = 2, 3
    one.seen[FailureSignature("time.split", "value:h_n")] = "x"
    both = one.with_(other)
    assert (both.next, both.ahead, both.rounds["x"], len(both.seen)) == (5, set(), 3, 1)
    assert both.with_(one).to_data() == both.to_data()


@pytest.mark.parametrize("text", ["0/2", "3/2", "1", "1/0", "a/b", "-1/2", "1/2/3", ""])
def test_what_is_no_share(text):
    with pytest.raises(UsageError, match="is no share like 2/8"):
        Shard.read(text)


# ---------------------------------------------------------------- rounds


@pytest.mark.sample
def test_covering_cases_are_judged_once_and_seeds_go_on_where_they_ended(files):
    _, first = hunted("right.py", rounds=2)
    _, then = hunted("right.py", rounds=2)
    (files / "right.py").write_text((files / "right.py").read_text() + "\n# another version\n")
    state, last = hunted("right.py", rounds=1)
    told = [(unit.seed, unit.covers) for unit in (*first.rounds, *then.rounds, *last.rounds)]
    assert told == [(0, True), (1, False), (2, False), (3, False), (4, True)]
    assert state.status == 0 and state.targets[0].before == 4


def test_a_round_is_more_random_cases_and_nothing_else(files):
    unit = Unit("judge", "right.py", options_of(Options(properties=("equivalence", "shapes.shapes"))), seed=3)
    random = json.loads(do_unit(unit.to_text()))
    assert "equivalence.sizes" not in random["held"] and "equivalence.steps" in random["held"]  # all its cases cover
    both = json.loads(do_unit(Unit("judge", "right.py", unit.options, seed=3, covers=True).to_text()))
    assert {"equivalence.sizes", "equivalence.steps"} <= set(both["held"])
    assert both["examples"] > random["examples"] >= 100


@pytest.mark.sample
def test_each_distinct_failure_is_kept_once_and_small(files):
    state, engine = hunted("wrong.py", "right.py", rounds=3, properties=("equivalence",), diagnosis=True)
    (finding,) = state.new
    assert finding.key == ["mistake", "every-step-from-the-start"] and state.status == 1
    assert state.again == {finding.id: 3}
    assert len([unit for unit in engine.units if unit.do == "explain"]) == 1
    saved = json.loads(Corpus(Path("corpus")).counterexample(finding.id).read_text())
    assert saved["target"] == "wrong.py" and saved["repeatable"] and len(saved["calls"]) == 1
    assert findings() == {("mistake", "every-step-from-the-start")}


@pytest.mark.sample
def test_a_sentence_that_was_measured_makes_a_failure_distinct(files):
    rough = Path(__file__).parent.parent / "targets" / "wrong" / "rough_tanh.py"
    (finding,) = hunted(str(rough), rounds=1, properties=("equivalence",), diagnosis=True)[0].new
    assert finding.key[0] == "sentence" and "another curve" in finding.title and len(finding.shown) > 3


def test_what_is_known_hides_nothing_behind_it(files, right):
    claims = "capabilities = {'default_state': True}\n"
    raises = right.replace("p, h,", "if case.h_0 is None: raise LookupError('no state')\n    p, h,")
    (files / "two.py").write_text(raises.replace(*RARE) + claims)
    state, _ = hunted("two.py", rounds=2)
    assert {tuple(one.key) for one in state.new} == {
        ("failure", "equivalence.steps", "LookupError"), ("failure", "equivalence.steps", "output"),
    }  # fmt: skip


@pytest.mark.sample
@pytest.mark.parametrize("change", [WRONG, RARE], ids=["always", "rarely"])
def test_what_is_found_does_not_depend_on_how_many_look_for_it(files, change):
    name = "wrong.py" if change is WRONG else "rare.py"
    hunted(name, rounds=4, properties=("equivalence", "time"))
    alone = findings()
    Path("corpus").rename("alone")
    hunted(name, rounds=4, properties=("equivalence", "time"), engine=Processes(3))
    assert findings() == alone != set()


def test_known_is_no_news(files):
    state, _ = hunted("wrong.py", rounds=1)
    corpus = Corpus.there(Path("corpus"))
    assert state.status == 1 and hunted("wrong.py", rounds=1)[0].status == 1
    corpus.mark(state.new[0], KNOWN)
    again, _ = hunted("wrong.py", rounds=1)
    assert again.status == 0 and [one.id for one in again.known] == [state.new[0].id]


def test_what_a_corpus_has_is_judged_again_first(files, right):
    (finding,) = hunted("rare.py", rounds=1)[0].new
    state, engine = hunted("rare.py", rounds=1, profile="quick")
    assert list(engine.rounds[0].first) == ["equivalence.steps"] and finding.id in state.findings
    (files / "rare.py").write_text(right)
    assert hunted("rare.py", rounds=1)[0].status == 0


def test_a_target_that_dies_is_a_finding(files, right):
    (files / "dies.py").write_text(right.replace("p, h,", "if len(case.x) == 7: __import__('os')._exit(3)\n    p, h,"))
    state, _ = hunted("dies.py", rounds=2)
    assert [one.key for one in state.new] == [["failure", "equivalence.steps", "exit"]]


def test_mutants_take_their_share_at_most(files, monkeypatch):
    monkeypatch.setattr(campaign, "LEAST", 0.05)  # else it begins after ten seconds
    derived(cell_of("LSTM"))
    (files / "gated.py").write_text("capabilities = {'cells': ['LSTM']}\nfrom reference_rnn import forward\n")
    state, engine = hunted("gated.py", rounds=6)
    looks = [unit for unit in engine.units if unit.do == "tell apart"]
    allotted = sum(unit.seconds for unit in looks)  # how much later they end depends on the machine
    assert looks and allotted <= SHARE * state.seconds and state.targets[0].mutants > 200
    assert state.targets[0].alike is not None and len(state.targets[0].alike) < state.targets[0].mutants
    again = Corpus.there(Path("corpus")).parts()[0].alike
    assert again is not None and hunted("gated.py", rounds=1)[0].targets[0].alike == again


def test_a_budget_ends_it(files):
    began = time.monotonic()
    state, _ = hunted("right.py", rounds=None, budget=2.0)
    assert state.rounds and state.status == 0 and time.monotonic() - began < 20


def test_a_worker_of_another_version_is_refused():
    unit = Unit("judge", "right.py", options_of(Options()), kit="0.0.1")
    said = json.loads(do_unit(unit.to_text()))["refused"]
    assert said == f"a worker has rnn-conformance {kit_version()}, must be 0.0.1, as here"


def test_a_target_crosses_as_its_text_with_its_hash(files, monkeypatch):
    file = file_to_send("right.py")
    unit = Unit("judge", "right.py", options_of(Options(properties=STEPS)), file=file, seed=1)
    (files / "elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    assert json.loads(do_unit(unit.to_text()))["held"] == ["equivalence.steps"]
    changed = Unit("judge", "right.py", unit.options, file=file | {"text": file["text"] + " "})
    assert json.loads(do_unit(changed.to_text())) | {"seconds": 0} == {
        "refused": "right.py is not what was sent: its hash is another one", "seconds": 0,
    }  # fmt: skip
    assert file_to_send("torch") is None and file_to_send("cmd: node right.js") is None
    with pytest.raises(TargetError, match=r"there is no file 'nothing\.py'"):
        file_to_send("nothing.py")


# ---------------------------------------------------------------- ends


def command(*words, **options):
    """The command, started."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
    return subprocess.Popen([RNN, *words], text=True, **pipes)


HUNT = ("hunt", "wrong.py", "rare.py", "--property", "equivalence.steps", "--no-diagnosis", "-n", "2")


@pytest.mark.sample
def test_twenty_kills_lose_nothing(files):
    hunted("wrong.py", "rare.py", rounds=8)
    calm = findings()
    Path("corpus").rename("calm")
    generator, kept, before = random.Random(7), set(), 0
    for _ in range(20):
        process = command(*HUNT, start_new_session=True)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(generator.uniform(0.3, 4.0))
        process.kill()
        process.communicate()
        if not Path("corpus/findings").exists():
            continue
        corpus = Corpus.there(Path("corpus"))
        for one in corpus.findings().values():
            assert json.loads(corpus.counterexample(one.id).read_text())["calls"]
        rounds = sum(part.done for part in corpus.parts())
        assert kept <= findings() and before <= rounds
        kept, before = findings(), rounds
    state, _ = hunted("wrong.py", "rare.py", rounds=max(1, 8 - before // 2))
    assert state.rounds and calm <= findings()
    for part in Corpus.there(Path("corpus")).parts():
        assert part.next == part.done and not part.ahead


def test_a_worker_that_is_killed_costs_nothing(files):
    class Killing(Processes):
        """Kills whoever is doing the third unit."""

        given = 0

        def give(self, unit):
            super().give(unit)
            self.given += 1
            if self.given in (3, 5):
                next(servant for servant in self.doing if servant.unit is unit).process.kill()

    state, _ = hunted("rare.py", rounds=4, engine=Killing(2))
    assert not state.lost and state.rounds == 4
    (part,) = Corpus.there(Path("corpus")).parts()
    assert part.next == 4 and len(state.new) == 1


def test_a_unit_whose_worker_dies_every_time_is_not_done(files):
    class Killing(Processes):
        """Kills whoever is doing the seed 1."""

        def give(self, unit):
            super().give(unit)
            if unit.do == "judge" and unit.seed == 1:
                next(servant for servant in self.doing if servant.unit is unit).process.kill()

    state, _ = hunted("right.py", rounds=3, engine=Killing(2))
    assert state.lost == ["seed 1 of right.py: its worker process died every time"] and state.status == 2
    (part,) = Corpus.there(Path("corpus")).parts()
    assert (part.next, part.ahead) == (1, {2})


@pytest.mark.sample
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_keeps_everything_and_says_so(files, number):
    process = command(*HUNT)
    assert process.stdout.readline().startswith("hunting      wrong.py, rare.py (share 1/1, corpus corpus)")
    assert process.stdout.readline().startswith("new          ")
    helpers = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(number)
    said, complaints = process.communicate(timeout=60)
    assert process.returncode == 1 and complaints == ""
    assert f"interrupted by {number.name}; what was found and done is kept" in said
    assert findings()
    _, alive = psutil.wait_procs(helpers, timeout=5)
    assert not alive


def test_a_signal_before_anything_failed(files):
    process = command("hunt", "right.py", "--property", "equivalence.steps", "-n", "1")
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 2 and "interrupted by SIGINT" in said


def test_what_failed_is_kept_though_nobody_has_explained_it(files):
    class Interrupting(Here):
        """A signal comes when there is something to explain."""

        def finished(self, seconds):
            if self.todo and self.todo[0].do == "explain":
                interrupts.came = signal.SIGTERM
                return []
            return super().finished(seconds)

    interrupts, engine = Interrupts(), Interrupting()
    options = Options(properties=STEPS)
    hunt = Hunt(["wrong.py"], options, Corpus.made(Path("corpus")), engine, Shard(), 2)
    events = list(hunt.events(interrupts))
    assert hunt.state.early == "interrupted by SIGTERM" and hunt.state.status == 1
    assert any(isinstance(event, FindingFound) for event in events)
    assert findings() == {("failure", "equivalence.steps", "output")}
    (part,) = Corpus.there(Path("corpus")).parts()
    assert part.done == 0  # it is judged again by the next hunt


def test_a_reader_that_wants_one_line(files):
    process = command(*HUNT, "--rounds", "2")
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(120) == 1 and process.stderr.read() == ""
    assert findings()


# ---------------------------------------------------------------- asked wrongly


def complaint(*words):
    """The one line with which a command is refused."""
    run = subprocess.run([RNN, *words], capture_output=True, text=True, timeout=120)
    assert run.returncode == 2 and run.stdout == "" and run.stderr.count("\n") == 1, run.stdout + run.stderr
    return run.stderr.removeprefix("rnn-conformance: ").strip()


@pytest.mark.sample
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("hunt",), "Missing argument 'TARGETS...'; usage: "),
        (("hunt", "right.py", "--shard", "3/2"), "shard: '3/2' is no share like 2/8, the second of eight"),
        (("hunt", "right.py", "--rounds", "some"), "rounds: 'some' is not a number of rounds"),
        (("hunt", "right.py", "--budget", "soon"), "budget: 'soon' is not a duration like 90s or 2m"),
        (("hunt", "right.py", "--property", "no.such"), "there is no property 'no.such'; there are "),
        (("hunt", "right.py", "--corpus", "right.py"), "Invalid value for '--corpus': Directory 'right.py' is a file"),
        (("hunt", "right.py", "--corpus", "right.py/in"), "right.py/in"),
        (("hunt", "nothing.py"), "there is no file 'nothing.py'"),
        (("hunt", "broken.py"), "broken.py"),
        (("hunt", "right.py", "-n", "2", "--scheduler", "tcp://here:1"), "--workers are processes of this machine"),
        (("corpus", "merge"), "Missing argument 'DIR...'"),
        (("corpus", "merge", "into", "nowhere"), "nowhere is no corpus: it has no folder findings"),
        (("corpus", "report", "nowhere", "abcd"), "nowhere is no corpus"),
        (("corpus", "known", "nowhere", "abcd"), "nowhere is no corpus"),
    ],
)
def test_a_wrong_argument_is_one_line(files, words, said):
    (files / "broken.py").write_text("import nothing_of_the_kind\n")
    assert said in complaint(*words)
    assert not Path("into/findings").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written(files):
    Path("corpus").mkdir(mode=0o555)
    assert complaint("hunt", "right.py") == "corpus/findings: Permission denied"


def test_a_share_that_another_hunt_is_at_work_on(files):
    with Corpus.made(Path("corpus")).alone("right.py", 0, Shard()):
        said = complaint("hunt", "right.py", "--rounds", "1")
        assert said.startswith("another hunt is at work on share 1/1 of right.py in corpus; give each its own")
        state, _ = hunted("right.py", shard=Shard(1, 2), rounds=1)
    assert state.status == 0


# ---------------------------------------------------------------- corpora


@pytest.mark.sample
def test_merge_is_a_union(files):
    for share in (1, 2):
        hunted("wrong.py", "rare.py", shard=Shard(share, 2), rounds=2)
        Path("corpus").rename(f"part{share}")
    first = Corpus.there(Path("part1"))
    known = next(iter(first.findings().values()))
    first.mark(known, KNOWN)
    done = CliRunner().invoke(cli, ["corpus", "merge", "all", "part1", "part2"], standalone_mode=False)
    assert done.exception is None and "all: 2 findings, 2 added, 1 new" in done.output
    merged = Corpus.there(Path("all"))
    assert findings("all") == findings("part1") | findings("part2")
    assert merged.findings()[known.id].status == KNOWN
    assert merged.rounds()[known.id] == sum(Corpus.there(Path(f"part{n}")).rounds()[known.id] for n in (1, 2))
    again = CliRunner().invoke(cli, ["corpus", "merge", "all", "part1", "part2"], standalone_mode=False)
    assert "2 findings, 0 added" in again.output and merged.rounds()[known.id] == 4
    Path("all").rename("corpus")
    _, engine = hunted("wrong.py", rounds=2)
    assert [unit.seed for unit in engine.rounds] == [4, 5]


def test_a_report_that_maintainers_can_use(files):
    (finding,) = hunted("wrong.py", rounds=1, diagnosis=True)[0].new
    words = ["corpus", "report", "corpus", finding.id[:8], "--target", "wrong.py"]
    done = CliRunner().invoke(cli, words, standalone_mode=False)
    assert done.exception is None, done.output
    text = done.output
    assert text.startswith("# `wrong.py`: `every step starts from the initial state`")
    for part in (
        "## Versions", "- numpy ", "## Expected and given", "| `output[1, 0, 0]` |", "## Why this is not rounding",
        "+before = before if own is None", "## The source, `wrong.py` from line 4",
    ):  # fmt: skip
        assert part in text, part
    Path("shows.py").write_text(re.search(r"```python\n(.*?)```", text, re.DOTALL)[1])
    shown = subprocess.run([sys.executable, "-I", "shows.py"], capture_output=True, text=True, timeout=60)
    assert shown.returncode == 1 and "must be" in shown.stdout


def test_a_report_shows_no_file_that_only_a_finding_names(files):
    (finding,) = hunted("wrong.py", rounds=1, diagnosis=True)[0].new
    Path("settings.py").write_text("KEY = 'swordfish'\n")
    kept = Corpus.there(Path("corpus"))
    shown = document(replace(finding, target="settings.py:KEY"), kept.counterexample(finding.id), 1)
    assert "settings.py" in shown and "swordfish" not in shown and "## The source" not in shown


@pytest.mark.sample
@pytest.mark.parametrize("id", ["abc", "zzzz", ""])
def test_an_id_that_names_nothing(files, id):
    hunted("rare.py", rounds=1)
    assert f"{id!r} names no finding; there are: " in complaint("corpus", "report", "corpus", id)


def test_the_strongest_property_that_has_a_case_stands_for_a_defect():
    strong, weak = (
        PropertyResult(id, "failed", kind="value:output", found={"demand": "numbers"})
        for id in ("equivalence.steps", "symmetries.odd")
    )
    for results in ([strong, weak], [weak, strong]):
        (defect,) = defects("t.py", results, Diagnosis([], []), catalogue())
        assert defect.result is strong and [shown.id for shown in defect.shown] == [strong.id, weak.id]
    (defect,) = defects("t.py", [replace(strong, found=None), weak], Diagnosis([], []), catalogue())
    assert defect.result is weak  # of the other there is no case to show


def test_what_is_known_can_be_new_again(files):
    (finding,) = hunted("rare.py", rounds=1)[0].new
    for words, status in (((), KNOWN), (("--no",), "new")):
        CliRunner().invoke(cli, ["corpus", "known", "corpus", finding.id, *words], standalone_mode=False)
        assert Corpus.there(Path("corpus")).finding(finding.id).status == status


def test_the_page_says_what_was_found(files):
    state, _ = hunted("rare.py", "right.py", rounds=1)
    text = page(state, over=True)
    assert "1 new, 0 known" in text and state.new[0].id[:12] in text and "http-equiv" not in text
    assert "http-equiv" in page(state, over=False)
    written = Page(Path("hunt.html"))
    written(HuntOver(state))
    assert Path("hunt.html").read_text().rstrip() == text.rstrip() and written.losses == []
    lost = Page(Path("no/folder/hunt.html"))
    lost(HuntOver(state))
    assert lost.losses == ["no/folder/hunt.html cannot be written: No such file or directory"]


# ---------------------------------------------------------------- many machines


@pytest.fixture(scope="module")
def cluster():
    """Two worker processes of a scheduler of this machine."""
    distributed = pytest.importorskip("distributed", reason="the extra hunt is not installed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0", silence_logs=50
    ) as local:
        yield local


@pytest.mark.sample
def test_dask_finds_what_one_process_finds_though_workers_die_and_come(files, cluster):
    from conformance.hunt.executors import Cluster

    class Killing(Cluster):
        """Kills a worker in the midst of a round, and has another one join."""

        given = 0

        def give(self, unit):
            super().give(unit)
            self.given += 1
            if self.given == 8:
                pids = self.client.run(os.getpid)
                os.kill(next(iter(pids.values())), signal.SIGKILL)
                cluster.scale(3)

    hunted("wrong.py", "rare.py", rounds=6)
    alone, before = findings(), Corpus.there(Path("corpus")).parts()
    Path("corpus").rename("alone")
    options = Options(properties=STEPS, diagnosis=False)
    engine = Killing(cluster.scheduler_address)
    hunt = Hunt(["wrong.py", "rare.py"], options, Corpus.made(Path("corpus")), engine, Shard(), 6, away=True)
    list(hunt.events(Interrupts()))
    assert not hunt.state.lost and not hunt.state.early
    assert findings() == alone
    told = lambda parts: {(part.target, part.next, tuple(part.rounds.items())) for part in parts}  # noqa: E731
    assert told(Corpus.there(Path("corpus")).parts()) == told(before)


def test_after_a_hunt_no_target_stays_on_a_worker(files, cluster):
    from conformance.hunt.executors import Cluster

    (files / "sleeps.py").write_text(
        f"import os, time\nfile = {str(files / 'calling')!r}\n"
        "capabilities = {'recompiles': False}  # so that it is not called before the hunt has begun\n"
        "def forward(case):\n"
        "    with open(file + '.new', 'w') as new:\n        new.write(str(os.getpid()))\n"
        "    os.rename(file + '.new', file)\n    time.sleep(600)\n"
    )
    interrupts = Interrupts()

    class Interrupting(Cluster):
        """A signal comes when the target is being called."""

        def finished(self, seconds):
            interrupts.came = signal.SIGTERM if Path("calling").exists() else None
            return super().finished(seconds)

    options = Options(properties=STEPS, call_limit=600.0)
    engine = Interrupting(cluster.scheduler_address)
    hunt = Hunt(["sleeps.py"], options, Corpus.made(Path("corpus")), engine, Shard(), away=True)
    list(hunt.events(interrupts))
    assert hunt.state.early == "interrupted by SIGTERM"
    with contextlib.suppress(psutil.NoSuchProcess):
        psutil.Process(int(Path("calling").read_text())).wait(5)
    assert not list(Path(tempfile.gettempdir()).glob("rnn-conformance-*/rnn-conformance-*/sleeps.py"))


def test_dask_on_the_command_line(files, cluster):
    process = command(*HUNT[:-2], "--scheduler", cluster.scheduler_address, "--rounds", "2")
    said, complaints = process.communicate(timeout=120)
    assert process.returncode == 1 and complaints == "", complaints
    assert "4 rounds" in said


@pytest.mark.sample
@pytest.mark.parametrize(
    ("address", "said"),
    [("x://", "is no address, must be like tcp://127.0.0.1:8786"), ("tcp://127.0.0.1:9", " cannot be reached: ")],
)
def test_a_scheduler_that_is_not_there(files, address, said):
    pytest.importorskip("distributed", reason="the extra hunt is not installed")
    assert said in complaint("hunt", "right.py", "--scheduler", address)


def test_a_worker_that_has_another_version(files, cluster, monkeypatch):
    from conformance.hunt import executors

    monkeypatch.setattr(executors, "kit_version", lambda: "9.9")
    with pytest.raises(UsageError, match=r"has rnn-conformance .*, must be 9\.9, as here"):
        executors.Cluster(cluster.scheduler_address)


def test_without_the_extra(files, monkeypatch):
    from conformance.hunt import executors

    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(UsageError, match=r"--scheduler needs the extra hunt: pip install '\.\[hunt\]' in a checkout"):
        executors.Cluster("tcp://127.0.0.1:1")
