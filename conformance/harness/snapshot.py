"""A folder as it was before anything ran: private copies are made from it, and what is deleted there is restored."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from .files import FileError, Folder, read_bytes

LARGEST = 2**28  # bytes of all files in a folder that is copied
ENTRIES = 20_000


@dataclass(frozen=True)
class Entry:
    """What stood at a place, with its mode and times: a folder; or a file, a link, or both where a link led to a file.

    link    where it led;  sha256  of the bytes, which are kept from ``start`` on
    """

    status: os.stat_result
    link: str = ""
    sha256: str = ""
    start: int = 0
    size: int = 0

    @property
    def is_folder(self) -> bool:
        """Whether it was a folder."""
        return stat.S_ISDIR(self.status.st_mode)


@dataclass
class Snapshot:
    """Everything in a folder, by relative path, each folder before what is in it.

    folder  its path, where any part may be a link;  real  the one where none is
    kept  a file without a name, which holds the bytes;  seen  the status of each entry when it was last looked at
    """

    folder: Path
    real: Path
    kept: BinaryIO
    entries: dict[Path, Entry] = field(default_factory=dict)
    seen: dict[Path, tuple[int, ...]] = field(default_factory=dict)

    @classmethod
    def take(cls, folder: Path, kept: BinaryIO) -> Snapshot | None:
        """What is in a folder, whose path is absolute. None if that is too much; what cannot be read is left out."""
        real = Path(os.path.realpath(folder))
        found = list(islice(walk_folder(real), ENTRIES + 1))
        if len(found) > ENTRIES or sum(map(file_size, found)) > LARGEST:
            return None
        snapshot = cls(folder, real, kept)
        for path in found:
            with contextlib.suppress(FileError, OSError):
                name = path.relative_to(real)
                snapshot.entries[name] = snapshot.read(path)
                snapshot.seen[name] = signature(path.lstat())
        return snapshot

    def read(self, path: Path) -> Entry:
        """What stands at a place. Raises FileError or OSError for what is no file, folder or link."""
        status = path.lstat()
        if stat.S_ISDIR(status.st_mode):
            return Entry(status)
        link = os.readlink(path) if stat.S_ISLNK(status.st_mode) else ""
        if link and (not path.is_file() or link_target(path, link).is_relative_to(self.real)):
            return Entry(status, link)
        data = read_bytes(path, LARGEST)
        self.kept.seek(0, os.SEEK_END)
        start = self.kept.tell()
        self.kept.write(data)
        return Entry(status, link, hashlib.sha256(data).hexdigest(), start, len(data))

    def goal(self, name: Path, where: Path) -> Path:
        """Where a link leads in the folder, or in a copy of it."""
        goal = link_target(self.real / name, self.entries[name].link)
        return where / goal.relative_to(self.real) if goal.is_relative_to(self.real) else goal

    def copy(self, where: Path) -> None:
        """Makes all of it elsewhere. Raises OSError.

        Links into the folder lead into the copy, those to files elsewhere become files, others lead where they led.
        """
        for name, entry in self.entries.items():
            path = where / name
            if entry.link and not entry.sha256:
                goal = self.goal(name, where)
                path.symlink_to(os.path.relpath(goal, path.parent) if goal.is_relative_to(where) else goal)
            else:
                self.make(entry, path)
        self.date(where, self.entries)

    def bytes_of(self, entry: Entry) -> bytes:
        """The bytes of a file."""
        self.kept.seek(entry.start)
        return self.kept.read(entry.size)

    def make(self, entry: Entry, path: Path) -> None:
        """Makes a folder or a file. Raises OSError."""
        if entry.is_folder:
            path.mkdir(parents=True, exist_ok=True)
        else:
            Folder(path.parent).write((path.name,), self.bytes_of(entry))

    def date(self, where: Path, names: dict[Path, Entry]) -> None:
        """Gives what was made its mode and times, a folder after what is in it."""
        for name in sorted(names, key=lambda name: -len(name.parts)):
            path, status = where / name, names[name].status
            with contextlib.suppress(OSError):
                if not path.is_symlink() and not stat.S_ISLNK(status.st_mode):
                    path.chmod(stat.S_IMODE(status.st_mode))
                    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))

    def news(self) -> dict[Path, str]:
        """What was changed or deleted in the folder since this was last asked; what was deleted is restored."""
        found = self.differences(self.real, self.has_moved)
        self.restore([name for name, how in found.items() if how == "deleted"])
        return found

    def has_moved(self, name: Path) -> bool:
        """Whether anything has been done to a place since it was last looked at."""
        before, self.seen[name] = self.seen[name], ()
        with contextlib.suppress(OSError):
            self.seen[name] = signature((self.real / name).lstat())
        return before != self.seen[name]

    def differences(self, where: Path, suspicious: Callable[[Path], bool] = lambda name: True) -> dict[Path, str]:
        """What is other than it was in a folder, "changed" or "deleted"; what was added is not looked for."""
        found = {}
        for name, entry in self.entries.items():
            path = where / name
            if not suspicious(name):
                continue
            is_folder = os.path.isdir(path) and not path.is_symlink()
            if not os.path.lexists(path) or (entry.is_folder and not is_folder):
                found[name] = "deleted"
            elif not entry.is_folder and not self.holds(name, where):
                found[name] = "changed"
        return found

    def holds(self, name: Path, where: Path) -> bool:
        """Whether a file has the bytes, and a link the goal, that it had."""
        entry, path = self.entries[name], where / name
        try:
            if path.is_symlink():
                if not entry.link or link_target(path, os.readlink(path)) != self.goal(name, where):
                    return False
            elif not entry.sha256:  # in a copy there are files where links to files were
                return False
            return not entry.sha256 or hashlib.sha256(read_bytes(path, LARGEST)).hexdigest() == entry.sha256
        except (FileError, OSError):
            return False

    def restore(self, names: list[Path]) -> None:
        """Makes again what is gone from the folder; what cannot be is left, and nothing is written elsewhere."""
        for name in names:
            path, entry = self.real / name, self.entries[name]
            with contextlib.suppress(OSError):
                if entry.is_folder and (path.is_symlink() or path.is_file()):
                    path.unlink()  # it stands where a folder was
                if entry.link:
                    path.symlink_to(entry.link)
                else:
                    self.make(entry, path)
        touched = dict.fromkeys([*names, *(name.parent for name in names)])
        self.date(self.real, {name: self.entries[name] for name in touched if name in self.entries})
        for name in touched:
            self.has_moved(name)


def walk_folder(folder: Path) -> Iterator[Path]:
    """A folder and all that is in it, level by level; links in it are not followed."""
    level = [folder]
    yield folder
    while level:
        inner = [path for one in level for path in list_folder(one)]
        yield from inner
        level = [path for path in inner if os.path.isdir(path) and not path.is_symlink()]


def list_folder(folder: Path) -> list[Path]:
    """What is in a folder; nothing in one that cannot be read."""
    return [folder / name for name in names_in(folder)]


def names_in(folder: Path) -> list[str]:
    """The names of what is in a folder; none of one that cannot be read."""
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def link_target(path: Path, link: str) -> Path:
    """Where a link leads that stands at a place."""
    return Path(os.path.normpath(path.parent / link))


def file_size(path: Path) -> int:
    """The bytes of a file, also of one that a link leads to; 0 for whatever else there is."""
    with contextlib.suppress(OSError):
        status = path.stat()
        return status.st_size if stat.S_ISREG(status.st_mode) else 0
    return 0


def signature(status: os.stat_result) -> tuple[int, ...]:
    """What is another number once a file has been written to, replaced, or given other times."""
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def lay_out(snapshot: Snapshot, root: Path, working: Path) -> Path:
    """Copies a folder to its own path below a root, as if that were the root of the disk. Raises OSError.

    Around the copy, and in the working directory, links lead to all that is there. Returns the working directory below
    the root: a path as seen from there, and one that begins at a file in the folder, lead to what they led to.
    """
    around = [place for place in (*snapshot.folder.parents, working, *working.parents)
              if not place.is_relative_to(snapshot.folder)]  # fmt: skip
    for folder in dict.fromkeys(around):
        there = below(root, folder)
        there.mkdir(parents=True, exist_ok=True)
        laid = {place.name for place in (snapshot.folder, *around) if place.parent == folder}
        for name in names_in(folder):  # thousands where temporary folders lie: text, not paths
            if name not in laid:
                os.symlink(os.path.join(folder, name), os.path.join(there, name))
    snapshot.copy(below(root, snapshot.folder))
    return below(root, working)


def below(root: Path, path: Path) -> Path:
    """An absolute path as it is below a root."""
    return root / path.relative_to(path.anchor)
