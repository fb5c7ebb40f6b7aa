"""The files of a folder, held in memory: what is deleted there, by whatever runs in it, can be restored."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from .files import FileError, read_bytes

LARGEST = 2**24  # bytes of a file
MOST = 2**28  # bytes of all files
ENTRIES = 20_000


@dataclass(frozen=True)
class Entry:
    """What stood at a place: a folder, a link, or a file with its bytes; and its mode and times."""

    status: os.stat_result
    content: bytes | str | None = None

    def restore(self, path: Path) -> None:
        """Makes it again where it stood. Raises OSError."""
        if self.content is None:
            path.mkdir(parents=True, exist_ok=True)
        elif isinstance(self.content, str):
            path.symlink_to(self.content)
        else:
            written_whole(path, self.content)

    def date(self, path: Path) -> None:
        """Gives what was made again its mode and times. Raises OSError."""
        if path.is_symlink():
            return
        path.chmod(stat.S_IMODE(self.status.st_mode))
        os.utime(path, ns=(self.status.st_atime_ns, self.status.st_mtime_ns))


@dataclass
class Tree:
    """Everything in some folders.

    entries  by path, each folder before what is in it;  left_out  what would be lost: too much, or not to be read
    home     where this process works, which may be one of the folders
    """

    entries: dict[Path, Entry] = field(default_factory=dict)
    left_out: list[Path] = field(default_factory=list)
    home: Path = field(default_factory=Path.cwd)

    @classmethod
    def of(cls, *folders: Path) -> Tree:
        """What is in some folders now; what is near comes first, if not everything can be held."""
        tree, size = cls(), 0
        for path in nearest_first(folders):
            try:
                entry = read(path, min(LARGEST, MOST - size))
            except (FileError, OSError):
                tree.left_out.append(path)
                continue
            if len(tree.entries) == ENTRIES:
                tree.left_out.append(path)
                break
            size += len(entry.content or "")
            tree.entries[path] = entry
        return tree

    def restore(self) -> bool:
        """Makes those again that are not there any more; whether there were any.

        What cannot be is left: the next target may do without.
        """
        made = []
        for path, entry in self.entries.items():
            with contextlib.suppress(OSError):
                if entry.content is None and (path.is_symlink() or path.is_file()):
                    path.unlink()  # it stands where a folder was
                if not os.path.lexists(path):
                    entry.restore(path)
                    made.append(path)
        touched = dict.fromkeys([*made, *(path.parent for path in made)])
        for path in sorted(touched, key=lambda path: -len(path.parts)):  # a folder after what was made in it
            if path in self.entries:
                with contextlib.suppress(OSError):
                    self.entries[path].date(path)
        if made:
            with contextlib.suppress(OSError):
                os.chdir(self.home)
        return bool(made)


def written_whole(path: Path, data: bytes) -> None:
    """Writes a file that appears whole or not at all. Raises OSError."""
    part = path.with_name(f".{path.name[:40]}.part")
    try:
        part.write_bytes(data)
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def nearest_first(folders: tuple[Path, ...]) -> Iterator[Path]:
    """The folders and all that is in them, level by level; links are not followed, unless a folder itself is one."""
    level = [folder.resolve() for folder in folders]
    yield from level
    while level:
        inner = [path for folder in level for path in listed(folder)]
        yield from inner
        level = [path for path in inner if os.path.isdir(path) and not path.is_symlink()]


def listed(folder: Path) -> list[Path]:
    """What is in a folder; nothing in one that cannot be read."""
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def read(path: Path, largest: int) -> Entry:
    """What stands at a place. Raises FileError or OSError for what is too large, or no file, folder or link."""
    if os.path.isdir(path) and not path.is_symlink():
        return Entry(path.stat())
    status = path.lstat()
    if stat.S_ISLNK(status.st_mode):
        return Entry(status, os.readlink(path))
    return Entry(status, read_bytes(path, largest))
