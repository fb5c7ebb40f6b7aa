"""Files that others wrote are read within bounds, and say what is wrong with them."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time

import psutil
import pytest

from conformance.harness.files import FileError, Folder, read_json, read_text, read_toml
from conformance.judging.serialisation import CounterexampleError, case_from_data, case_to_data
from conformance.vectors.vector_files import VectorError, read_vector
from reference_rnn import case

MOST = 2**20


def fifo(file):
    os.mkfifo(file)


def listening(file):
    socket.socket(socket.AF_UNIX).bind(str(file))


NO_FILES = {
    "a pipe": (fifo, "it is no regular file"),
    "endless zeros": (lambda file: file.symlink_to("/dev/zero"), "it is no regular file"),
    "a terminal": (lambda file: file.symlink_to("/dev/tty"), ""),
    "a folder": (lambda file: file.mkdir(), "Is a directory"),
    "a socket": (listening, ""),
    "nothing": (lambda file: None, "No such file or directory"),
    "a circle": (lambda file: file.symlink_to(file), "there is a link or a file in its way"),
    "too large": (lambda file: file.write_bytes(b" " * (MOST + 1)), "it is too large: more than 1,048,576 bytes"),
    "sparse": (lambda file: (file.touch(), os.truncate(file, 2**40)), "it is too large"),
    "endless by the kernel": (lambda file: file.symlink_to("/proc/self/mem"), ""),
    "not UTF-8": (lambda file: file.write_bytes(b'{"a": "\xff"}'), "it is not text in UTF-8: byte 7 is 0xff"),
}


@pytest.mark.parametrize("name", NO_FILES)
def test_what_is_no_file_of_text_is_said_at_once(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)  # a socket's name is short
    make, words = NO_FILES[name]
    file = type(tmp_path)("file.json")
    make(file)
    began = time.monotonic()
    for reader in (lambda file: read_json(file, MOST), read_toml, lambda file: read_text(file, MOST)):
        with pytest.raises(FileError) as error:
            reader(file)
        assert words in str(error.value) and str(error.value)
    with pytest.raises(VectorError, match=r"^file.json: "):
        read_vector(file)
    assert time.monotonic() - began < 2


def test_what_is_no_file_leaves_nothing_open(tmp_path):
    folder = Folder(tmp_path)
    for reader in (lambda: read_json(tmp_path, MOST), lambda: folder.read_json((tmp_path.name,), MOST)):
        before = psutil.Process().num_fds()
        with pytest.raises(FileError):
            reader()
        assert psutil.Process().num_fds() == before


@pytest.mark.parametrize("name", ["a\0b", "x" * 5000])
def test_names_that_no_file_has(tmp_path, name):
    with pytest.raises(FileError):
        read_text(tmp_path / name, MOST)


JSON = {
    "[" * 100000: "it is nested too deeply",
    '{"a":' * 100000: "it is nested too deeply",
    "[1e400]": "the number 1e400 cannot be held in double precision",
    "1" + "0" * 400: "the number 10000000000000000000... is too large for 64 bits",
    "9" * 10000: "is too large for 64 bits",
    str(2**63): "the number 9223372036854775808 is too large for 64 bits",
    "[NaN]": 'NaN must be the string "NaN"',
    "[-Infinity]": '-Infinity must be the string "-Infinity"',
    '{"a": 1, "a": 2}': "it has 'a' twice",
    "{" + "".join(f'"{n}": 0, ' for n in range(20_000)) + '"19999": 0}': "it has '19999' twice",
    '{"a":' * 200 + "[" * 200 + "]" * 200 + "}" * 200: "it is nested too deeply",
    "{'a': 1}": "it is no JSON",
    "": "it is no JSON",
    "{} {}": "it is no JSON: Extra data",
}


@pytest.mark.parametrize("text", JSON, ids=lambda text: text[:12])
def test_strange_json_is_said(tmp_path, text):
    file = tmp_path / "file.json"
    file.write_text(text)
    with pytest.raises(FileError) as error:
        read_json(file, MOST)
    assert JSON[text] in str(error.value)


TOML = {
    "a = " + "[" * 100000: "it is nested too deeply",
    "a = 1e999": "cannot be held",
    "a = 1\na = 2": "it is no TOML",
    "a" + ".a" * 200 + " = 1": "it is nested too deeply",
    "a" + ".a" * 30_000 + " = 1": "it is nested too deeply: line 1 has a key of 30,001 parts",
    "[" + "'a' . " * 30_000 + "a]\nb = 1": "line 1 has a key of 30,001 parts",
    "\n\n" + "'a'.a\t.\"a\"." * 300 + "a = 1": "line 3 has a key of 901 parts",
    "a = [" + "[" * 200 + "]" * 200 + "]": "it is nested too deeply",
    "a = 0x" + "f" * 5000: "it has a number that is too large for 64 bits",
    "a = [{b = -9223372036854775809}]": "it has a number that is too large for 64 bits",
}


@pytest.mark.parametrize("text", TOML, ids=lambda text: text[:12])
def test_strange_toml_is_said(tmp_path, text):
    file = tmp_path / "file.toml"
    file.write_text(text)
    with pytest.raises(FileError) as error:
        read_toml(file)
    assert TOML[text] in str(error.value)


def test_what_is_right_is_read(tmp_path):
    file = tmp_path / "file"
    file.write_bytes('\ufeff{"ä": [1, -2.5e-300, true, null, 9223372036854775807]}'.encode())
    assert read_json(file, MOST) == {"ä": [1, -2.5e-300, True, None, 2**63 - 1]}
    file.write_text("a = 'b'\n")
    (tmp_path / "link").symlink_to(file)
    assert read_toml(tmp_path / "link") == {"a": "b"}  # whoever names a link means it
    versions = ", ".join(f'"numpy>={n}.2.3"' for n in range(400))
    file.write_text(f"[a.b]\nc = [{versions}]\nd = '{'. ' * 999}{'x' * 99_999}'\n")
    assert len(read_toml(file)["a"]["b"]["c"]) == 400


CHANGES = {
    "a probability that is none": ({"config": {"dropout": "NaN"}}, "dropout is 'NaN', must be a number"),
    "a probability over 1": ({"config": {"dropout": 1.5}}, "dropout is 1.5, must be a probability"),
    "half a unit": ({"config": {"hidden_size": 1.5}}, "hidden_size is 1.5, must be a whole number"),
    "a size of 2**62": ({"config": {"input_size": 2**62}}, "must be at most 65536"),
    "many layers": ({"config": {"num_layers": 10**9}}, "must be at most 65536"),
    "a text for a flag": ({"config": {"bidirectional": "no"}}, "bidirectional is 'no', must be true or false"),
    "a cell that is a list": ({"config": {"cell": ["GRU"]}}, 'cell is ["GRU"], must be the name of a cell'),
    "an unknown option": ({"config": {"os": "system"}}, "has an unknown key 'os'; the keys are cell, "),
    "training as a number": ({"training": 1}, "training is 1, must be true or false"),
    "half a length": ({"lengths": [0.5]}, "lengths[0] is 0.5, must be a whole number"),
    "lengths as text": ({"lengths": "1"}, "lengths is '1', must be a list or an object or null"),
    "a length of 2**62": ({"lengths": [2**62]}, "it does not describe a case"),
    "a shape of 2**62": ({"arrays": {"x": {"shape": [2**62, 4]}}}, "which do not fit its shape"),
    "a negative shape": ({"arrays": {"x": {"shape": [-1, -1]}}}, "which do not fit its shape"),
    "a number as a word": ({"arrays": {"x": {"data": ["1"]}}}, "x has '1', must be a number"),
    "a number too large": ({"arrays": {"x": {"data": [1e300]}}}, "x has a number that is too large for float32"),
    "a list as a number": ({"arrays": {"x": {"data": [[1]]}}}, "x has [1], must be a number"),
    "no arrays": ({"arrays": []}, "it does not describe a case"),
    "an array too many": ({"arrays": {"y": None}}, "it does not describe a case"),
    "memory that is none": ({"arrays": {"x": {"memory": []}}}, "memory is [], must be one of"),
}


def changed(data, change):
    """The data with some entries replaced, at whatever depth."""
    if not (isinstance(data, dict) and isinstance(change, dict)):
        return change
    return data | {name: changed(data.get(name), value) for name, value in change.items()}


@pytest.mark.parametrize("name", CHANGES)
def test_a_case_with_strange_values_is_said(name):
    data = json.loads(json.dumps(case_to_data(case("RNN_TANH", T=1, N=1, I=1, H=1, x=1, h_0=0))))
    assert case_to_data(case_from_data(data)) == data
    change, words = CHANGES[name]
    with pytest.raises(CounterexampleError) as error:
        case_from_data(changed(data, change))
    assert words in str(error.value)


# ---------------------------------------------------------------- our own folder

NAME = ("target", "chapter.property.json")


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path / ".rnn-conformance", own=True)


def test_what_is_written_is_read_and_left_out_by_version_control(folder, tmp_path):
    assert folder.write(NAME, "[1]").read_text() == "[1]"
    folder.write(NAME, "[2]")
    assert folder.read_json(NAME, 100) == [2]
    assert (folder.root / ".gitignore").read_text() == "*\n"
    assert sorted(file.name for file in folder.root.rglob("*")) == [".gitignore", "chapter.property.json", "target"]
    if subprocess.run(["git", "init", "-q", tmp_path]).returncode == 0:
        assert not subprocess.run(["git", "-C", tmp_path, "status", "-s"], capture_output=True).stdout


def outside(tmp_path):
    found = tmp_path / "elsewhere"
    found.mkdir()
    (found / NAME[1]).write_text("[5]")
    (found / NAME[0]).mkdir()
    (found / NAME[0] / NAME[1]).write_text("[5]")
    return found


def link_root(folder, elsewhere):
    folder.root.symlink_to(elsewhere)


def link_target(folder, elsewhere):
    folder.root.mkdir()
    (folder.root / NAME[0]).symlink_to(elsewhere)


def link_file(folder, elsewhere):
    (folder.root / NAME[0]).mkdir(parents=True)
    (folder.root / NAME[0] / NAME[1]).symlink_to(elsewhere / NAME[1])


@pytest.mark.parametrize("link", [link_root, link_target, link_file])
def test_links_are_not_followed(folder, tmp_path, link):
    elsewhere = outside(tmp_path)
    before = {file: file.read_bytes() for file in elsewhere.rglob("*.json")}
    link(folder, elsewhere)
    with pytest.raises(FileError, match="there is a link or a file in its way"):
        folder.read_json(NAME, 100)
    if link is link_file:
        folder.write(NAME, "[7]")  # in the place of the link
        assert folder.read_json(NAME, 100) == [7]
    else:
        with pytest.raises(OSError, match="there is a link or a file in its way"):
            folder.write(NAME, "[7]")
    assert {file: file.read_bytes() for file in elsewhere.rglob("*") if file.is_file()} == before


def test_a_folder_that_was_made_and_has_gone_is_not_made_again(tmp_path):
    folder = Folder(tmp_path / "mine")
    folder.make("inner")
    folder.write(("inner", "name"), "text")
    shutil.rmtree(folder.root)
    for write in (lambda: folder.write(("inner", "name"), "text"), lambda: folder.add(("inner", "name"), {})):
        with pytest.raises(FileNotFoundError):
            write()
    assert not folder.root.exists()


def test_a_pipe_in_its_place_keeps_nobody_waiting(folder):
    (folder.root / NAME[0]).mkdir(parents=True)
    os.mkfifo(folder.root / NAME[0] / NAME[1])
    with pytest.raises(FileError, match="it is no regular file"):
        folder.read_json(NAME, 100)
    folder.write(NAME, "[1]")
    assert folder.read_json(NAME, 100) == [1]


def test_a_file_in_its_place_and_names_that_lead_out(folder):
    folder.root.write_text("in the way")
    for act in (lambda: folder.read_json(NAME, 100), lambda: folder.write(NAME, "[]")):
        with pytest.raises((FileError, OSError), match="in its way"):
            act()
    for parts in (("..", "x"), ("a/b", "x"), ("", "x"), ("x", ".."), ("x", "a/b"), ("x", "a\0")):
        with pytest.raises(OSError):
            folder.write(parts, "[]")


@pytest.mark.skipif(sys.platform != "linux", reason="no /dev/full")
def test_where_there_is_no_room_the_old_file_stays(folder, monkeypatch):
    folder.write(NAME, "[1]")
    real = os.replace

    def full(*words, **more):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space left on device"):
        folder.write(NAME, "[2]")
    monkeypatch.setattr(os, "replace", real)
    assert folder.read_json(NAME, 100) == [1]
    assert not list(folder.root.rglob(".new-*"))
