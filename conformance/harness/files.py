"""Files that others wrote, read within bounds; and a folder of our own, kept where others may have been before."""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import stat
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

LARGEST_INTEGER = 2**63
DIRECTORY = getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
# Neither a FIFO without a writer nor a terminal keeps us waiting or changes anything.
QUIETLY = sum(getattr(os, name, 0) for name in ("O_NONBLOCK", "O_NOCTTY", "O_CLOEXEC"))


class FileError(ValueError):
    """A file cannot be read as what it should be; the message says why, without naming it."""


def read_json(file: Path, largest: int) -> Any:
    """The data in a JSON file of at most so many bytes. Raises FileError."""
    return json_of(read_text(file, largest))


def read_toml(file: Path, largest: int) -> dict[str, Any]:
    """The data in a TOML file of at most so many bytes. Raises FileError."""
    return toml_of(read_text(file, largest))


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
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise FileError("it is no regular file")
        data = file.read(largest + 1)
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
        return json.loads(
            text, parse_constant=refuse_constant, object_pairs_hook=unique, parse_int=integer, parse_float=finite
        )
    except RecursionError:
        raise FileError("it is nested too deeply") from None
    except FileError:
        raise
    except ValueError as error:
        raise FileError(f"it is no JSON: {error}") from None


def toml_of(text: str) -> dict[str, Any]:
    """The data in TOML. Raises FileError."""
    try:
        return tomllib.loads(text, parse_float=finite)
    except RecursionError:
        raise FileError("it is nested too deeply") from None
    except FileError:
        raise
    except ValueError as error:
        raise FileError(f"it is no TOML: {error}") from None


def refuse_constant(constant: str) -> float:
    """JSON has neither NaN nor infinities, though some libraries write them."""
    raise FileError(f'{constant} must be the string "{constant}"')


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON, if it says nothing twice."""
    made = dict(pairs)
    if len(made) < len(pairs):
        twice = next(name for number, (name, _) in enumerate(pairs) if name in dict(pairs[:number]))
        raise FileError(f"it has {twice[:40]!r} twice")
    return made


def integer(digits: str) -> int:
    """An integer that 64 bits can hold."""
    if len(digits) > 20 or not -LARGEST_INTEGER <= (number := int(digits)) < LARGEST_INTEGER:
        raise FileError(f"the number {digits[:20]}{'...' * (len(digits) > 20)} is too large for 64 bits")
    return number


def finite(digits: str) -> float:
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
    return FileError(getattr(error, "strerror", None) or str(error) or type(error).__name__)


class Folder:
    """A folder of our own, such as ``.rnn-conformance``: plain files in plain folders, never followed through links.

    A file is named by the folders that it is in and its own name. Version control leaves the folder out.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def read_json(self, parts: Sequence[str], largest: int) -> Any:
        """The data in a file of at most so many bytes. Raises FileError, also if there is none."""
        try:
            with self.opened(parts[:-1]) as folder:
                flags = os.O_RDONLY | QUIETLY | getattr(os, "O_NOFOLLOW", 0)
                return json_of(decoded(bytes_of(os.open(parts[-1], flags, dir_fd=folder), largest)))
        except (OSError, ValueError) as error:
            raise reason(error) from None

    def write(self, parts: Sequence[str], text: str) -> Path:
        """Writes a file as a whole or not at all, and the folders that it is in. Raises FileError."""
        try:
            with self.opened([], create=True) as folder:
                self.replace(folder, ".gitignore", "*\n")
            with self.opened(parts[:-1], create=True) as folder:
                self.replace(folder, parts[-1], text)
        except (OSError, ValueError) as error:
            raise reason(error) from None
        return self.root.joinpath(*parts)

    def replace(self, folder: int, name: str, text: str) -> None:
        """Puts a file in the place of the one that had its name; a link there is replaced, and not followed."""
        new = f"{name}.{os.getpid()}.new"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(new, dir_fd=folder)
        try:
            with os.fdopen(os.open(new, NEW, 0o666, dir_fd=folder), "w", encoding="utf-8") as file:
                file.write(text)
            os.replace(new, name, src_dir_fd=folder, dst_dir_fd=folder)
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(new, dir_fd=folder)
            raise

    @contextlib.contextmanager
    def opened(self, inner: Sequence[str], create: bool = False) -> Iterator[int]:
        """A descriptor of the folder, or of one within; raises OSError where something else is in its place."""
        if any(name in ("", ".", "..") or "/" in name for name in inner):
            raise FileError(f"{list(inner)} does not lie in it")
        descriptor = os.open(self.root.parent, DIRECTORY & ~getattr(os, "O_NOFOLLOW", 0))
        try:
            for name in (self.root.name, *inner):
                if create:
                    with contextlib.suppress(FileExistsError):
                        os.mkdir(name, dir_fd=descriptor)
                outer, descriptor = descriptor, os.open(name, DIRECTORY, dir_fd=descriptor)
                os.close(outer)
            yield descriptor
        finally:
            os.close(descriptor)
