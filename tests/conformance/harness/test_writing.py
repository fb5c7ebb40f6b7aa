"""What a person names is followed, links and pipes included; the names that the kit makes itself lead nowhere else."""

import contextlib
import os
import socket
import stat
import tempfile
import threading
from collections import Counter
from pathlib import Path

import pytest

import conformance
from conformance.cli import cli
from conformance.events import PropertyResult
from conformance.harness import files
from conformance.harness.files import Folder, write_named
from conformance.harness.snapshot import Snapshot
from conformance.hunt.corpus import KNOWN, Corpus, Kept
from conformance.hunt.shards import Part, Shard
from conformance.hunt.units import text_hash, write_sent_file
from conformance.report import feedback, github, grades
from conformance.report.report_files import write_files, write_inside
from conformance.report.report_set import ReportSet
from conformance.trial.configuration import find_configuration
from conformance.trial.counterexamples import FOLDER
from conformance.trial.options import Options, UsageError
from conformance.trial.verdict import Report
from conformance.vectors import vector_files
from conformance.vectors.expected_balls import certain
from reference_rnn import case

# ---------------------------------------------------------------- what a person names


@pytest.fixture
def impatient(monkeypatch):
    """Nobody waits long for a reader."""
    monkeypatch.setattr(files, "PATIENCE", 0.2)


def test_a_link_is_followed_and_stays():
    Path("there").mkdir()
    for name in ("old", "absent"):
        Path(name).symlink_to(f"there/{name}")
    Path("there/old").write_text("before")
    os.chmod("there/old", 0o640)
    for name in ("old", "absent", "there/plain"):
        write_named(Path(name), "now\n")
        assert Path(name).read_text() == "now\n"
    assert Path("old").is_symlink() and Path("absent").is_symlink()
    assert stat.S_IMODE(os.stat("there/old").st_mode) == 0o640
    assert sorted(os.listdir("there")) == ["absent", "old", "plain"]  # and nothing of ours beside them


def test_a_pipe_is_written_to_whole_as_soon_as_somebody_reads():
    os.mkfifo("pipe")
    Path("link").symlink_to("pipe")
    got = []
    reader = threading.Thread(target=lambda: got.append(Path("pipe").read_text()))
    reader.start()
    write_named(Path("link"), "x" * 10**6)
    reader.join()
    assert got == ["x" * 10**6]


@pytest.mark.parametrize("link", [False, True])
def test_a_pipe_that_nobody_reads_is_given_up(impatient, link):
    os.mkfifo("pipe")
    if link:
        Path("link").symlink_to("pipe")
    (loss,) = write_files({Path("link" if link else "pipe"): "text"})
    assert loss.endswith("pipe cannot be written: nobody has opened this pipe to read from it within 0.2 s") or link
    assert "\n" not in loss and "nobody" in loss


def test_the_verdict_does_not_wait_for_a_reader(impatient, right, capsys):
    Path("mine.py").write_text(right)
    os.mkfifo("pipe")
    words = ["--property", "shapes.dtype", "--in-process", "--no-saved", "--json", "pipe"]
    assert cli.main(["check", "mine.py", *words], standalone_mode=False) == 2
    assert "not written  pipe cannot be written: nobody has opened" in capsys.readouterr().out


def bound(file):
    socket.socket(socket.AF_UNIX).bind(str(file))


@pytest.mark.parametrize(
    "make", [os.mkdir, bound, lambda file: os.symlink(file, file)], ids=["folder", "socket", "loop"]
)
def test_what_cannot_be_written_to_is_said_at_once(make):
    make("place")
    with pytest.raises(OSError) as error:
        write_named(Path("place"), "text")
    assert error.value.filename == "place" and error.value.strerror
    assert stat.S_IFMT(os.lstat("place").st_mode) != stat.S_IFREG


def test_standard_output_may_be_a_file_and_may_be_named_twice(capfd):
    print("before", flush=True)
    options = Options(json="/dev/stdout", summary="/dev/stdout", badge="/dev/fd/1")
    conformance.report.report_files.Files(options).refused(conformance.report.report_set.Unjudged("a.py", "it is gone"))
    said = capfd.readouterr().out
    assert said.startswith("before\n{") and "\n## `a.py` could not be judged" in said and '"schemaVersion"' in said


def test_a_new_file_takes_the_place_of_nothing(capsys):
    Path("dangling.py").symlink_to("elsewhere.py")
    Path("old.py").write_text("mine")
    os.mkfifo("pipe.py")
    assert cli.main(["new", "dangling.py"], standalone_mode=False) == 0
    assert "def forward(case)" in Path("elsewhere.py").read_text()
    for name in ("old.py", "pipe.py", "dangling.py"):
        with pytest.raises(Exception, match="is there already"):
            cli.main(["new", name], standalone_mode=False)
    assert Path("old.py").read_text() == "mine"


def test_two_reports_for_one_regular_file_are_refused():
    Path("link").symlink_to("sub/../r.json")
    Path("sub").mkdir()
    for other in ("r.json", "./r.json", "sub/../r.json", "link", Path("r.json").absolute()):
        with pytest.raises(UsageError, match=r"json and html are both to be written to '.*': name two files"):
            Options(json="r.json", html=str(other))
    Path("r.json").write_text("there")
    os.link("r.json", "hard")
    with pytest.raises(UsageError, match="summary and badge are both"):
        Options(summary="r.json", badge="hard")
    os.mkfifo("pipe")
    assert Options(json="pipe", html="pipe") and Options(json="/dev/null", html="/dev/null")
    Path("rnn-conformance.toml").write_text(
        "[targets.a]\ntarget = 'a.py'\njson = 'r'\n[targets.b]\ntarget = 'b.py'\nhtml = 'r'\n"
    )
    with pytest.raises(UsageError, match="json and html are both"):
        find_configuration(Path.cwd()).jobs({})
    with pytest.raises(UsageError, match="html and grades are both"):
        cli.main(["matrix", "reference", "--html", "m", "--grades", "./m"], standalone_mode=False)


def test_a_file_that_two_targets_name_differently_is_about_both(right):
    Path("mine.py").write_text(right)
    shelf = {}
    for name in ("r.json", f"{Path.cwd()}/r.json"):
        made = conformance.report.report_files.Files(Options(json=name), shelf)
        made.refused(conformance.report.report_set.Unjudged(f"{len(shelf)}.py", "it is gone"))
    assert '"0.py"' in Path("r.json").read_text() and '"1.py"' in Path("r.json").read_text()


# ---------------------------------------------------------------- names that the kit makes

CLAIMS = conformance.Capabilities()
STUDENT = Report("alice.py", "conforms", CLAIMS.as_dict(), "quick", 0, [PropertyResult("a.b", "passed")], {})
CASE = case("RNN_TANH", T=1, N=1, I=1, H=1, x=1, h_0=0)
VECTOR = vector_files.Vector(CASE, certain(CASE, CLAIMS.rounding("float32")), "strict")
FINDING = Kept("f" * 64, "a.py", ["failure", "a.b", "x"], "t", "", "new", "a.b", "s", "m", [], 0, "now", "1", {})


def write_vector(root):
    vector_files.write_vector(root, "first", VECTOR, "json")
    vector_files.write_index(root, {"schema": 1})


def write_feedback(root):
    said(write_inside(root, feedback.files_of([STUDENT], solution=True)))


def write_grades(root):
    said(write_inside(root, grades.gradescope([STUDENT], grades.rubric(None, ["a.b"], ["a.b"]), solution=True)))


def write_corpus(root):
    made = Corpus.made(root)
    if made.keep(FINDING, {"a": 1}):
        made.mark(FINDING, KNOWN)


def write_seeds(root):
    made = Corpus.made(root)
    with made.alone("a.py", 0, Shard()):
        made.save(Part("a.py", 0, Shard()))


def mark_finding(root):
    Corpus(root).mark(FINDING, KNOWN)


def write_saved(root):
    folder = Folder(root / FOLDER, own=True)
    folder.write(("a.py", "a.b.json"), "[1]")


def restore(root):
    (root / "mine.py").write_text("x = 1\n")
    with tempfile.TemporaryFile() as kept:
        held = Snapshot.take(root, kept)
        (root / "mine.py").unlink()
        assert held.news()[Path("mine.py")] == "deleted"
    assert (root / "mine.py").read_text() == "x = 1\n"


def step_output(root):
    said([loss for loss in [github.tell_step(ReportSet([STUDENT]))] if loss])


def step_summary(root):
    said(write_files({root / "summary": "text"}))


def said(losses):
    if losses:
        raise OSError(losses[0])


SEED = Corpus(Path()).file_of("a.py", 0, Shard())
# What writes, and the names that it makes in a folder that a person named.
MAKERS = {
    "vectors": (write_vector, ["first.json", "index.json"]),
    "feedback": (write_feedback, ["alice.md", "alice.html"]),
    "gradescope": (write_grades, ["alice", "alice/results.json"]),
    "corpus": (write_corpus, ["findings", f"findings/{FINDING.id}"]),
    "seeds": (write_seeds, ["seeds", str(SEED), str(SEED.with_suffix(".lock"))]),
    "finding": (mark_finding, ["findings", f"findings/{FINDING.id}", f"findings/{FINDING.id}/finding.json"]),
    "saved": (write_saved, [str(FOLDER), f"{FOLDER}/.gitignore", f"{FOLDER}/a.py", f"{FOLDER}/a.py/a.b.json"]),
    "restored": (restore, [".mine.py.part"]),
    "output": (step_output, ["output"]),
    "summary": (step_summary, ["summary"]),
}
ATTACKS = {
    "a link to a file": lambda place, out: place.symlink_to(out / "file"),
    "a link to a folder": lambda place, out: place.symlink_to(out / "folder"),
    "a dangling link": lambda place, out: place.symlink_to(out / "absent"),
    "a folder": lambda place, out: place.mkdir(),
    "a pipe": lambda place, out: os.mkfifo(place),
    "a file": lambda place, out: place.write_text("before"),
}
PLACES = [(name, place) for name, (_, places) in MAKERS.items() for place in places]


def everything(folder):
    """All that is in a folder, with what it holds."""
    return {path: path.read_bytes() if path.is_file() else None for path in sorted(folder.rglob("*"))}


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize(("maker", "place"), PLACES, ids=lambda value: value.replace(FINDING.id, "ID"))
def test_names_of_the_kit_lead_nowhere_else(tmp_path, monkeypatch, maker, place, attack):
    root, out = tmp_path / "root", tmp_path / "out"
    root.mkdir()
    (out / "folder").mkdir(parents=True)
    (out / "file").write_text("theirs")
    (out / "folder" / "finding.json").write_text("theirs")
    monkeypatch.setenv("GITHUB_OUTPUT", str(root / "output"))
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(root / "summary"))
    if maker == "finding":
        write_corpus(root)
    with contextlib.suppress(OSError):
        (root / place).parent.mkdir(parents=True)
    if (root / place).is_dir():
        (root / place).rename(out / "moved")
    (root / place).unlink(missing_ok=True)
    ATTACKS[attack](root / place, out)
    before = everything(out)
    try:
        MAKERS[maker][0](root)
    except OSError as error:
        assert "\n" not in str(error)
    else:
        kind = os.lstat(root / place).st_mode if os.path.lexists(root / place) else stat.S_IFREG
        assert stat.S_ISREG(kind) or stat.S_ISDIR(kind) or maker == "restored"  # which takes another name
    assert everything(out) == before
    assert not [path for path in root.rglob(".new-*")]


def test_a_folder_that_a_person_named_may_be_a_link(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to("there")
    for write_some in (write_vector, write_feedback, write_grades, write_corpus, write_seeds):
        write_some(tmp_path / "link")
    assert {"first.json", "index.json", "alice.md", "alice.html", "alice", "findings", "seeds"} == set(
        os.listdir(tmp_path / "there")
    )


def test_a_page_that_nobody_named_follows_no_link(tmp_path, monkeypatch, right):
    Path("mine.py").write_text(right)
    Path("matrix.html").symlink_to("victim")
    words = ["matrix", "mine.py", "--property", "shapes.dtype", "-n", "1"]
    assert cli.main(words, standalone_mode=False) == 0
    assert not Path("matrix.html").is_symlink() and not Path("victim").exists()
    Path("matrix.html").unlink()
    Path("matrix.html").symlink_to("mine.html")
    assert cli.main([*words, "--html", "matrix.html"], standalone_mode=False) == 0
    assert Path("matrix.html").is_symlink() and "<html" in Path("mine.html").read_text()


def test_a_step_reads_only_what_is_a_file(monkeypatch):
    Path("victim").write_text("theirs")
    Path("output").symlink_to("victim")
    monkeypatch.setenv("GITHUB_OUTPUT", "output")
    assert (
        github.tell_step(ReportSet([STUDENT]))
        == "GITHUB_OUTPUT cannot be written: there is a link or a file in its way"
    )
    Path("output").unlink()
    os.mkfifo("output")
    assert github.tell_step(ReportSet([STUDENT])) == "GITHUB_OUTPUT cannot be written: it is no regular file"
    assert Path("victim").read_text() == "theirs"


@pytest.mark.parametrize("place", ["summary", ".//summary"])
def test_the_summary_of_a_step_follows_no_link_however_it_is_spelled(monkeypatch, place):
    Path("victim").write_text("theirs")
    Path("summary").symlink_to("victim")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", place)
    assert write_files({Path(place): "ours"}) == []
    assert Path("victim").read_text() == "theirs" and Path("summary").read_text() == "ours\n"


def test_what_is_sent_stays_in_the_folder_of_the_worker(tmp_path):
    with pytest.raises(OSError, match="does not lie in"):
        write_sent_file("../mine.py", "x", text_hash("x"))


# ---------------------------------------------------------------- races


def swapped(monkeypatch, name, before):
    """Has something happen once, right before a call of a function of ``os``."""
    real, calls = getattr(os, name), Counter()

    def call(*words, **more):
        calls[name] += 1
        if calls[name] == 1:
            before()
        return real(*words, **more)

    monkeypatch.setattr(os, name, call)


@pytest.fixture
def folder(tmp_path):
    """A folder of ours with a victim beside it."""
    (tmp_path / "victim").mkdir()
    return Folder(tmp_path / "mine")


def test_a_folder_that_becomes_a_link_as_soon_as_it_is_made(tmp_path, monkeypatch, folder):
    real = os.mkdir

    def mkdir(name, *words, **more):
        real(name, *words, **more)
        if name == "inner":
            os.rmdir(tmp_path / "mine" / "inner")
            os.symlink(tmp_path / "victim", tmp_path / "mine" / "inner")

    folder.make()
    monkeypatch.setattr(os, "mkdir", mkdir)
    with pytest.raises(OSError, match="there is a link or a file in its way"):
        folder.write(("inner", "a.json"), "text")
    assert not os.listdir(tmp_path / "victim")


def test_a_folder_that_is_exchanged_for_a_link_while_it_is_written_to(tmp_path, monkeypatch, folder):
    folder.write(("inner", "a.json"), "old")

    def exchange():
        os.rename(tmp_path / "mine" / "inner", tmp_path / "mine" / "moved")
        os.symlink(tmp_path / "victim", tmp_path / "mine" / "inner")

    swapped(monkeypatch, "replace", exchange)
    folder.write(("inner", "a.json"), "text")
    assert not os.listdir(tmp_path / "victim") and (tmp_path / "mine" / "moved" / "a.json").read_text() == "text"


def test_a_name_that_becomes_a_link_right_before_it_is_written(tmp_path, monkeypatch, folder):
    folder.make()
    (tmp_path / "victim" / "a").write_text("theirs")
    swapped(monkeypatch, "replace", lambda: os.symlink(tmp_path / "victim" / "a", tmp_path / "mine" / "a.json"))
    folder.write(("a.json",), "text")
    assert (tmp_path / "victim" / "a").read_text() == "theirs" and not (tmp_path / "mine" / "a.json").is_symlink()


def test_a_file_that_becomes_a_pipe_right_before_it_is_opened(monkeypatch, impatient):
    Path("device").symlink_to("/dev/null")

    def exchange():
        os.unlink("device")
        os.mkfifo("device")

    swapped(monkeypatch, "open", exchange)
    with pytest.raises(OSError, match="nobody has opened this pipe"):
        write_named(Path("device"), "text")
