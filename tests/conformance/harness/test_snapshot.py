"""A folder as it was: copied whole, and restored where something was deleted."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from conformance.harness.snapshot import Snapshot, below, lay_out


@pytest.fixture
def taken():
    """Takes a snapshot of a folder."""
    with tempfile.TemporaryFile() as kept:
        yield lambda folder: Snapshot.take(folder, kept)


def test_a_folder_is_restored_with_all_that_was_in_it(tmp_path, taken):
    room = tmp_path / "room"
    (room / "a" / "b").mkdir(parents=True)
    (room / "empty").mkdir()
    for file in (room / "amy.py", room / "a" / "b" / "data.bin"):
        file.write_bytes(b"\r\n\xff")
        file.chmod(0o640)
    (room / "link").symlink_to("nowhere")
    (tmp_path / "class").symlink_to(room)
    for path in (room / "a" / "b" / "data.bin", room / "a" / "b", room / "empty", room):
        os.utime(path, ns=(10**18, 10**18 + 1))

    def seen(folder=room):
        return {
            path.relative_to(folder): (path.lstat().st_mode, path.is_symlink() or path.stat().st_mtime_ns)
            for path in [folder, *folder.rglob("*")]
        }

    snapshot, before = taken(tmp_path / "class"), seen()
    assert snapshot.news() == {} and seen() == before
    snapshot.copy(tmp_path / "copy")
    assert seen(tmp_path / "copy") == before
    for gone in (room, room / "a", room / "a" / "b" / "data.bin"):
        shutil.rmtree(gone) if gone.is_dir() else gone.unlink()
        assert set(snapshot.news().values()) == {"deleted"}
        assert seen() == before and (room / "a" / "b" / "data.bin").read_bytes() == b"\r\n\xff"
        assert snapshot.news() == {}
    for text in ("changed", "changed again"):
        (room / "amy.py").write_text(text)
        assert snapshot.news() == {Path("amy.py"): "changed"}
        assert snapshot.news() == {} and (room / "amy.py").read_text() == text


@pytest.mark.parametrize("instead", ["a link", "a file"])
def test_what_stands_where_a_folder_was_goes_and_nothing_is_written_elsewhere(tmp_path, taken, instead):
    room, elsewhere = tmp_path / "room", tmp_path / "elsewhere"
    (room / "a").mkdir(parents=True)
    elsewhere.mkdir(mode=0o700)
    (room / "a" / "data").write_text("x")
    snapshot = taken(room)
    shutil.rmtree(room / "a")
    (room / "a").symlink_to(elsewhere) if instead == "a link" else (room / "a").write_text("y")
    snapshot.news()
    assert (room / "a" / "data").read_text() == "x" and not (room / "a").is_symlink()
    assert list(elsewhere.iterdir()) == [] and elsewhere.stat().st_mode & 0o777 == 0o700


def test_a_file_is_restored_whole_or_not_at_all(tmp_path, taken, monkeypatch):
    (tmp_path / "data").write_text("x" * 9)
    snapshot = taken(tmp_path)
    (tmp_path / "data").unlink()
    with monkeypatch.context() as full:
        full.setattr("os.replace", lambda *names, **more: (_ for _ in ()).throw(OSError("no space")))
        assert snapshot.news() == {Path("data"): "deleted"}
    assert list(tmp_path.iterdir()) == []
    snapshot.restore([Path("data")])
    assert (tmp_path / "data").read_text() == "x" * 9


@pytest.mark.parametrize(("bound", "value"), [("LARGEST", 9), ("ENTRIES", 3)])
def test_there_is_no_snapshot_of_what_is_too_much(tmp_path, taken, monkeypatch, bound, value):
    (tmp_path / "a").mkdir()
    (tmp_path / "amy.py").write_text("x" * 5)
    (tmp_path / "a" / "big").write_text("x" * 10)
    assert taken(tmp_path)
    monkeypatch.setattr(f"conformance.harness.snapshot.{bound}", value)
    assert taken(tmp_path) is None


def test_links_lead_where_they_led_and_those_to_files_elsewhere_become_files(tmp_path, taken):
    room, elsewhere = tmp_path / "room", tmp_path / "elsewhere"
    room.mkdir()
    (elsewhere / "deep").mkdir(parents=True)
    (elsewhere / "amy.py").write_text("right")
    (room / "data").write_text("own")
    for name, goal in (("amy.py", elsewhere / "amy.py"), ("deep", Path("../elsewhere/deep")), ("own", room / "data")):
        (room / name).symlink_to(goal)
    snapshot = taken(room)
    (elsewhere / "amy.py").write_text("wrong")
    snapshot.copy(tmp_path / "copy")
    copy = tmp_path / "copy"
    assert (copy / "amy.py").read_text() == "right" and not (copy / "amy.py").is_symlink()
    assert os.readlink(copy / "deep") == str(elsewhere / "deep") and (copy / "own").resolve() == copy / "data"
    (room / "amy.py").unlink()
    snapshot.news()
    assert os.readlink(room / "amy.py") == str(elsewhere / "amy.py")


def test_a_link_that_leads_elsewhere_now_is_changed(tmp_path, taken):
    room, other = tmp_path / "room", tmp_path / "other"
    (room / "a").mkdir(parents=True)
    (tmp_path / "amy.py").write_text("right")
    other.write_text("right")
    (room / "data").write_text("own")
    goals = {"amy.py": tmp_path / "amy.py", "up": Path("../other.d"), "own": Path("data"), "a/own": Path("../data")}
    for name, goal in goals.items():
        (room / name).symlink_to(goal)
    snapshot = taken(room)
    snapshot.copy(tmp_path / "copy")
    for folder in (room, tmp_path / "copy"):
        assert snapshot.differences(folder) == {}
        for name in [*goals, "data"]:
            (folder / name).unlink()
            (folder / name).symlink_to(other)
        assert snapshot.differences(folder) == dict.fromkeys(map(Path, [*goals, "data"]), "changed")


def test_what_lies_around_a_copy_is_what_lies_around_the_folder(tmp_path, taken):
    (tmp_path / "class" / "students").mkdir(parents=True)
    (tmp_path / "class" / "shared").mkdir()
    (tmp_path / "desk").mkdir()
    for file in ("class/students/amy.py", "class/shared/data", "desk/data"):
        (tmp_path / file).write_text(file)
    root = tmp_path / "root"
    root.mkdir()
    snapshot = taken(tmp_path / "class" / "students")
    (tmp_path / "class" / "students" / "amy.py").write_text("wrong")
    assert lay_out(snapshot, root, tmp_path / "desk") == below(root, tmp_path / "desk")
    copy = below(root, tmp_path / "class" / "students")
    assert (copy / "amy.py").read_text() == "class/students/amy.py"
    assert (copy / ".." / "shared" / "data").read_text() == "class/shared/data"
    desk = below(root, tmp_path / "desk")
    assert (desk / "data").read_text() == "desk/data"
    assert (desk / ".." / "class" / "students" / "amy.py").read_text() == "class/students/amy.py"
