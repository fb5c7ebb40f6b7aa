"""Files that others wrote, read within bounds; and files that we write: as somebody named them, or in a folder where
others may have been before.

All that writes uses one of two: ``write_named`` follows the path that a person typed, wherever it leads; a ``Folder``
holds names that the kit makes itself, and follows nothing.
"""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import re
import secrets
import select
import shutil
import stat
import time
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

LARGEST_INTEGER = 2**63
DEEPEST = 100  # levels of data in files; those of the kit have a dozen
LARGEST_TOML = 2**20  # bytes: a person writes it
PART = r"""(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')"""  # of a key of TOML
DOTTED = re.compile(rf"(?<![\w-]){PART}(?:[ \t]*+\.[ \t]*+{PART})++")
PATIENCE = 5.0  # seconds for somebody to read from a pipe
POLL = 0.02  # seconds between two looks at whether somebody does
UNFOLLOWED = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
DIRECTORY = getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0)
NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | UNFOLLOWED
UNFINISHED = ".new-"  # how the names begin of what is being written
# The streams of this process, whatever they lead to: opened anew, a file would be written to from its beginning.
STREAM = re.compile(r"/dev/(?:fd/(?P<fd>\d+)|(?P<out>stdout)|stderr)|/proc/self/fd/(?P<proc>\d+)")
# Neither a FIFO without a writer nor a terminal keeps us waiting or changes anything.
QUIETLY = sum(getattr(os, name, 0) for name in ("O_NONBLOCK", "O_NOCTTY", "O_CLOEXEC"))


class FileError(ValueError):
    """A file cannot be read as what it should be; the message says why, without naming it."""


def read_json(file: Path, largest: int) -> Any:
    """The data in a JSON file of at most so many bytes. Raises FileError."""
    return json_of(read_text(file, largest))


def read_toml(file: Path) -> dict[str, Any]:
    """The data in a TOML file. Raises FileError."""
    return toml_of(read_text(file, LARGEST_TOML))


def read_text(file: Path, largest: int) -> str:
    """The text of a regular file of at most so many bytes. Raises FileError."""
    return decoded(read_bytes(file, largest))


def read_bytes(file: Path, largest: int) -> bytes:
    """The bytes of a regular file, at most so many. Raises FileError."""
    try:
        return bytes_of(os.open(file, os.O_RDONLY | QUIETLY), largest)
    except (OSError, ValueError) as error:  # a ValueError for a name with a NUL
        raise reason(error) from None


def bytes_of(descriptor: int, largest: int) -> bytes:
    """The bytes of what has just been opened, which is closed again. Raises FileError or OSError."""
    try:
        with open(descriptor, "rb", closefd=False) as file:  # which does not close what it refuses, such as a folder
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise FileError("it is no regular file")
            data = file.read(largest + 1)
    finally:
        os.close(descriptor)
    if len(data) > largest:
        raise FileError(f"it is too large: more than {largest:,} bytes")
    return data


def decoded(data: bytes) -> str:
    """The text that some bytes are. Raises FileError."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FileError(f"it is not text in UTF-8: byte {error.start} is {data[error.start]:#04x}") from None


def json_of(text: str) -> Any:
    """The data in JSON, of numbers that 64 bits can hold, and of objects that say everything once. Raises FileError."""
    try:
        return bounded(
            json.loads(
                text,
                parse_constant=refuse_constant,
                object_pairs_hook=unique,
                parse_int=integer,
                parse_float=finite_number,
            )
        )
    except RecursionError:
        raise FileError("it is nested too deeply") from None
    except FileError:
        raise
    except ValueError as error:
        raise FileError(f"it is no JSON: {error}") from None


def toml_of(text: str) -> dict[str, Any]:
    """The data in TOML, of numbers that 64 bits can hold. Raises FileError."""
    for key in DOTTED.finditer(text):  # tomllib takes the square of their number
        if (parts := key[0].count(".") + 1) > DEEPEST:
            line = text.count("\n", 0, key.start()) + 1
            raise FileError(
                f"it is nested too deeply: line {line} has a key of {parts:,} parts, must be at most {DEEPEST}"
            )
    try:
        return bounded(tomllib.loads(text, parse_float=finite_number))
    except RecursionError:
        raise FileError("it is nested too deeply") from None
    except FileError:
        raise
    except tomllib.TOMLDecodeError as error:
        raise FileError(f"it is no TOML: {error}") from None
    except ValueError:  # of an integer, whose digits Python counts
        raise FileError("it has a number that is too large for 64 bits") from None


def bounded(data: Any) -> Any:
    """The data, if it has no more levels than DEEPEST, and no integer that 64 bits cannot hold. Raises FileError."""
    level = [data]
    for _ in range(DEEPEST):
        if any(type(one) is int and not -LARGEST_INTEGER <= one < LARGEST_INTEGER for one in level):
            raise FileError("it has a number that is too large for 64 bits")
        inner = [one.values() if isinstance(one, dict) else one for one in level if isinstance(one, dict | list)]
        if not inner:
            return data
        level = list(chain.from_iterable(inner))
    raise FileError("it is nested too deeply")


def refuse_constant(constant: str) -> float:
    """JSON has neither NaN nor infinities, though some libraries write them."""
    raise FileError(f'{constant} must be the string "{constant}"')


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON, if it says nothing twice."""
    made: dict[str, Any] = {}
    for name, value in pairs:
        if name in made:
            raise FileError(f"it has {name[:40]!r} twice")
        made[name] = value
    return made


def integer(digits: str) -> int:
    """An integer that 64 bits can hold."""
    if len(digits) > 20 or not -LARGEST_INTEGER <= (number := int(digits)) < LARGEST_INTEGER:
        raise FileError(f"the number {digits[:20]}{'...' * (len(digits) > 20)} is too large for 64 bits")
    return number


def finite_number(digits: str) -> float:
    """A number that a double can hold."""
    number = float(digits)
    if not math.isfinite(number):
        raise FileError(f"the number {digits[:40]} cannot be held in double precision")
    return number


def reason(error: Exception) -> FileError:
    """What went wrong, as FileError."""
    if isinstance(error, FileError):
        return error
    if isinstance(error, OSError) and error.errno in (errno.ELOOP, errno.ENOTDIR):
        return FileError("there is a link or a file in its way")
    if isinstance(error, OSError) and error.errno == errno.ENXIO:  # a pipe that nobody reads, a socket
        return FileError("it is no regular file")
    return FileError(getattr(error, "strerror", None) or str(error) or type(error).__name__)


# ---------------------------------------------------------------- what is written


@contextlib.contextmanager
def writing(place: Path) -> Iterator[None]:
    """A block that writes to a place; whatever goes wrong in it is an OSError that names the place and the reason."""
    try:
        yield
    except (OSError, ValueError) as error:  # a ValueError for a name with a NUL
        number = getattr(error, "errno", None) or errno.EINVAL
        raise OSError(number, str(reason(error)), str(place)) from None


def write_named(file: Path, data: str | bytes, new: bool = False) -> None:
    """Writes a file that a person named, in one step: whoever reads it finds what was there before, or all of this.

    Links are followed. What is no regular file (a pipe, a terminal, standard output) is written to; a pipe is given up
    that nobody reads within PATIENCE seconds.  new: nothing may be there.  Raises OSError, naming the file.
    """
    with writing(file):
        if stream := STREAM.fullmatch(str(file)):
            descriptor = os.dup(int(stream["fd"] or stream["proc"] or (1 if stream["out"] else 2)))
        elif new and file.exists():
            raise FileError("it is there already")
        elif is_regular(file):
            place = Path(os.path.realpath(file))
            with Folder(place.parent).opened([]) as folder:
                return replace(folder, place.name, encoded(data), new=new)
        else:
            descriptor = opened_to_write(file)
        try:
            pour(descriptor, memoryview(encoded(data)))
        finally:
            os.close(descriptor)


def is_regular(file: Path) -> bool:
    """Whether a path leads to a regular file, or to where there is nothing yet."""
    try:
        return stat.S_ISREG(os.stat(file).st_mode)
    except FileNotFoundError:
        return True


def opened_to_write(file: Path) -> int:
    """A descriptor of what is no regular file. Raises FileError for a pipe that nobody reads, and OSError."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            descriptor = os.open(file, os.O_WRONLY | QUIETLY)
            break
        except OSError as error:
            if error.errno != errno.ENXIO or not stat.S_ISFIFO(os.stat(file).st_mode):
                raise
        if time.monotonic() > until:
            raise FileError(f"nobody has opened this pipe to read from it within {PATIENCE:g} s")
        time.sleep(POLL)
    os.set_blocking(descriptor, True)
    return descriptor


def pour(descriptor: int, data: memoryview) -> None:
    """Writes all of it, however little is taken at a time."""
    while data:
        try:
            data = data[os.write(descriptor, data) :]
        except BlockingIOError:
            select.select([], [descriptor], [], 1.0)


def encoded(data: str | bytes) -> bytes:
    """What a text is in UTF-8; lone surrogates are written as Python writes them in a string."""
    return data.encode("utf-8", "backslashreplace") if isinstance(data, str) else data


def replace(folder: int, name: str, data: bytes, new: bool = False, durable: bool = False) -> None:
    """Puts a regular file in the place of what had its name in a folder; a link there is replaced, and not followed.

    folder: its descriptor.  new: there may be nothing of that name.  durable: when this returns, it is on the disk.
    """
    unfinished = name if new else UNFINISHED + secrets.token_hex(8)
    descriptor = os.open(unfinished, NEW, 0o666, dir_fd=folder)
    try:
        with os.fdopen(descriptor, "wb") as file:
            with contextlib.suppress(FileNotFoundError):
                before = os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
                if stat.S_ISREG(before):
                    os.fchmod(descriptor, stat.S_IMODE(before))
            file.write(data)
            file.flush()
            if durable:
                os.fsync(descriptor)
        if not new:
            os.replace(unfinished, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(unfinished, dir_fd=folder)
        raise
    if durable:
        settle(folder)


def settle(folder: int) -> None:
    """Has the names in a folder on the disk, where the system can do that."""
    with contextlib.suppress(OSError):
        os.fsync(folder)


class Folder:
    """A folder in which the kit makes names of its own: plain files in plain folders, never followed through links.

    A file is named by the folders that it is in and its own name. What writes raises OSError, naming the file.

    root     a path that a person named, which is followed; or a name of our own
    own      whether it is that, such as ``.rnn-conformance``: then version control leaves the folder out
    durable  whether what is written is on the disk when that returns
    """

    def __init__(self, root: Path, own: bool = False, durable: bool = False) -> None:
        self.root, self.own, self.durable = root, own, durable
        self.made = False

    def read_json(self, parts: Sequence[str], largest: int) -> Any:
        """The data in a file of at most so many bytes. Raises FileError, also if there is none."""
        try:
            return json_of(decoded(bytes_of(self.descriptor(parts, os.O_RDONLY), largest)))
        except (OSError, ValueError) as error:
            raise reason(error) from None

    def make(self, *parts: str) -> None:
        """Makes the folder, or one within, as one that can be written to; from then on it is there, or that is told."""
        with writing(self.root.joinpath(*parts)), self.opened(parts, create=True) as folder:
            probe = UNFINISHED + secrets.token_hex(8)
            os.close(os.open(probe, NEW, 0o666, dir_fd=folder))
            os.unlink(probe, dir_fd=folder)
        self.made = True

    def write(self, parts: Sequence[str], data: str | bytes) -> Path:
        """Writes a file as a whole or not at all, and the folders that it is in."""
        place = self.root.joinpath(*parts)
        with writing(place):
            if self.own:
                with self.opened([], create=True) as folder:
                    replace(folder, ".gitignore", b"*\n")
            with self.opened(parts[:-1], create=True) as folder:
                replace(folder, check_names(parts)[-1], encoded(data), durable=self.durable)
        return place

    def append(self, parts: Sequence[str], text: str) -> None:
        """Adds to the end of a regular file, or of a new one."""
        with writing(self.root.joinpath(*parts)):
            descriptor = self.descriptor(parts, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
            try:
                pour(descriptor, memoryview(encoded(text)))
            finally:
                os.close(descriptor)

    def add(self, parts: Sequence[str], texts: Mapping[str, str]) -> bool:
        """Makes a folder of files, all of it in one step; False if there is one of that name already."""
        name = check_names(parts)[-1]
        with writing(self.root.joinpath(*parts)), self.opened(parts[:-1], create=True) as folder:
            if has_folder(folder, name):
                return False
            unfinished = UNFINISHED + secrets.token_hex(8)
            os.mkdir(unfinished, dir_fd=folder)
            try:
                inner = os.open(unfinished, DIRECTORY | UNFOLLOWED, dir_fd=folder)
                try:
                    for own, text in texts.items():
                        replace(inner, own, encoded(text), durable=self.durable)
                finally:
                    os.close(inner)
                os.rename(unfinished, name, src_dir_fd=folder, dst_dir_fd=folder)
            except OSError:
                shutil.rmtree(unfinished, ignore_errors=True, dir_fd=folder)
                if has_folder(folder, name):  # somebody else was first
                    return False
                raise
            settle(folder)
        return True

    @contextlib.contextmanager
    def locked(self, parts: Sequence[str]) -> Iterator[bool]:
        """A block in which a file of this name is locked; False where another process has it locked."""
        with writing(self.root.joinpath(*parts)):
            descriptor = self.descriptor(parts, os.O_RDWR | os.O_CREAT)
        try:
            yield lock(descriptor)
        finally:
            os.close(descriptor)

    def descriptor(self, parts: Sequence[str], flags: int) -> int:
        """A descriptor of a regular file. Raises FileError or OSError for anything else in its place."""
        with self.opened(parts[:-1]) as folder:
            found = os.open(check_names(parts)[-1], flags | QUIETLY | UNFOLLOWED, 0o666, dir_fd=folder)
        if stat.S_ISREG(os.fstat(found).st_mode):
            return found
        os.close(found)
        raise FileError("it is no regular file")

    @contextlib.contextmanager
    def opened(self, inner: Sequence[str], create: bool = False) -> Iterator[int]:
        """A descriptor of the folder, or of one within; raises OSError where something else is in its place."""
        start, names = (self.root.parent, [self.root.name, *inner]) if self.own else (self.root, inner)
        check_names(inner)
        if create and not self.own and not self.made:
            Path(os.path.realpath(start)).mkdir(parents=True, exist_ok=True)
        descriptor = os.open(start, DIRECTORY)
        try:
            for name in names:
                if create:
                    with contextlib.suppress(FileExistsError):
                        os.mkdir(name, dir_fd=descriptor)
                outer, descriptor = descriptor, os.open(name, DIRECTORY | UNFOLLOWED, dir_fd=descriptor)
                os.close(outer)
            yield descriptor
        finally:
            os.close(descriptor)


def check_names(parts: Sequence[str]) -> Sequence[str]:
    """Names that lead nowhere but into a folder; raises FileError if one does."""
    if any(name in ("", ".", "..") or "/" in name for name in parts):
        raise FileError(f"{'/'.join(parts)!r} does not lie in it")
    return parts


def has_folder(folder: int, name: str) -> bool:
    """Whether a folder is in another one, by its descriptor. Raises FileError where something else has its name."""
    try:
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    if not stat.S_ISDIR(found.st_mode):
        raise FileError("there is a link or a file in its way")
    return True


def lock(descriptor: int) -> bool:
    """Whether this process alone holds a file from now on; where the system has no such locks, it is not asked."""
    try:
        import fcntl
    except ImportError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
