"""File systems that fail: one is cut off or returns errors at a chosen call, one forgets what was not synced."""

from __future__ import annotations

import errno
import os
import random
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from services.storage.store.fs import Bytes, Entry, FileSystem, Kind


class PowerCut(BaseException):
    """The process is no more."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the store to its file system."""

    name: str
    arguments: tuple[Any, ...]

    def __str__(self) -> str:
        shown = ("…" if isinstance(each, bytes | memoryview) else str(each) for each in self.arguments)
        return f"{self.name}({', '.join(shown)})"

    @property
    def changes(self) -> bool:
        """Whether the disk differs after it, or what of it is durable."""
        return self.name in CHANGING or (self.name == "open" and bool(self.arguments[1] & os.O_CREAT))


CHANGING = frozenset(
    ("write", "allocate", "truncate", "fsync", "fdatasync", "rename", "link", "unlink", "mkdir", "rmdir")
)
CALLS = [name for name in vars(FileSystem) if not name.startswith("_")]


class WatchedDisk(FileSystem):
    """Another file system whose every call is shown to `before` first, which may raise, or do it in its stead."""

    def __init__(self, inner: FileSystem) -> None:
        self.inner = inner
        self.calls: list[Call] = []
        self.before: Callable[[Call], object] = lambda call: None
        """What it returns, if not None, is the call's result; `SKIPPED`: the call is not made and returns None."""
        for name in CALLS:
            setattr(self, name, partial(self._call, name))

    def _call(self, name: str, *arguments: Any) -> Any:
        call = Call(name, arguments)
        self.calls.append(call)
        result = self.before(call)
        if result is SKIPPED:
            return None
        return getattr(self.inner, name)(*arguments) if result is None else result

    def cut_after(self, calls: int) -> None:
        """Let so many more calls happen; then the power goes, and nothing happens any more."""
        made = len(self.calls)

        def count(call: Call) -> None:
            if len(self.calls) > made + calls:
                raise PowerCut

        self.before = count

    def fail_at(self, number: int, code: int) -> None:
        """Make the call of that number from now (0: the next one) return an error; the others work."""
        at = len(self.calls) + number + 1

        def fail(call: Call) -> None:
            if len(self.calls) == at:
                raise OSError(code, os.strerror(code), str(call))

        self.before = fail

    def well(self) -> None:
        """Work again, as if nothing had been."""
        self.before = lambda call: None


SKIPPED = object()


def every_luck(most: int = 256) -> Iterator[random.Random]:
    """One luck for each way a power cut can end, each for one `crash` of the same disk; at first nothing is kept.

    Of content that was not synced either all or nothing is there. Of more ways than `most` the last ones are left out.
    """
    told: list[bool] | None = []
    while told is not None and most:
        yield (luck := _Told(told))
        told, most = luck.following(), most - 1


class _Told(random.Random):
    """Luck that is told for each thing whether it is kept; those that it is not told of are not."""

    def __init__(self, told: list[bool]) -> None:
        super().__init__()
        self._told = iter(told)
        self._said: list[bool] = []

    def random(self) -> float:
        self._said.append(next(self._told, False))
        return 0.0 if self._said[-1] else 1.0

    def choice(self, seq: Any) -> Any:
        """Of nothing, all and some of a content one of the first two."""
        return seq[self.random() == 0.0]

    def randrange(self, *_: Any) -> int:
        return 0

    def following(self) -> list[bool] | None:
        """What to tell the next one, counted as in binary; None: this one has kept everything."""
        said = list(self._said)
        while said and said[-1]:
            said.pop()
        return [*said[:-1], True] if said else None


@dataclass(slots=True)
class _File:
    data: bytearray = field(default_factory=bytearray)
    durable: bytes = b""
    locked_by: int | None = None


@dataclass(slots=True)
class _Folder:
    names: dict[str, _File | _Folder] = field(default_factory=dict)
    durable: dict[str, _File | _Folder] = field(default_factory=dict)


class StrictDisk(FileSystem):
    """In memory. A name is durable only after its folder's fsync, content only after the file's; `crash` tells."""

    def __init__(self, root: Path, tree: _Folder | None = None) -> None:
        self._root, self._tree = root, tree or _Folder()
        self._open: dict[int, tuple[_File | _Folder, int]] = {}
        self._next = 100
        self._lock = threading.RLock()

    def crash(self, luck: random.Random | None) -> StrictDisk:
        """What is there after a power cut: what was synced and, with `luck`, of the rest what happens to be there."""
        return StrictDisk(self._root, _survivor(self._tree, luck, {}))

    def copy(self) -> StrictDisk:
        """The same, all of it durable: what a machine that was shut down finds."""
        return StrictDisk(self._root, _synced(self._tree, {}))

    def killed(self) -> StrictDisk:
        """The same, and nothing more of it durable than was: what the next process finds when this one was killed."""
        return StrictDisk(self._root, _unlocked(self._tree, {}))

    def paths(self) -> dict[str, bytes]:
        """Every file by its path from the root, with its content."""
        return dict(_walk(self._tree, ""))

    def is_folder(self, descriptor: int) -> bool:
        """What is open there."""
        return isinstance(self._open[descriptor][0], _Folder)

    def open(self, path: Path, flags: int) -> int:
        with self._lock:
            parent, name = self._parent(path)
            found = parent.names.get(name) if name else parent
            if flags & os.O_DIRECTORY and not isinstance(found, _Folder):
                raise _error(errno.ENOENT if found is None else errno.ENOTDIR, path)
            if found is None:
                if not flags & os.O_CREAT:
                    raise _error(errno.ENOENT, path)
                found = parent.names[name] = _File()
            elif flags & os.O_EXCL:
                raise _error(errno.EEXIST, path)
            self._next += 1
            at_end = len(found.data) if isinstance(found, _File) and flags & os.O_APPEND else 0
            self._open[self._next] = found, at_end
            return self._next

    def close(self, descriptor: int) -> None:
        with self._lock:
            found, _ = self._open.pop(descriptor)
            if isinstance(found, _File) and found.locked_by == descriptor:
                found.locked_by = None

    def write(self, descriptor: int, data: Bytes) -> int:
        file, position = self._open[descriptor]
        assert isinstance(file, _File)
        file.data[position : position + len(data)] = data
        self._open[descriptor] = file, position + len(data)
        return len(data)

    def read(self, descriptor: int, length: int, offset: int) -> bytes:
        return bytes(self._file(descriptor).data[offset : offset + length])

    def size(self, descriptor: int) -> int:
        return len(self._file(descriptor).data)

    def length(self, path: Path) -> int:
        with self._lock:
            parent, name = self._parent(path)
            found = parent.names.get(name)
            if not isinstance(found, _File):
                raise _error(errno.ENOENT, path)
            return len(found.data)

    def stamp(self, path: Path) -> tuple[int, int, int]:
        with self._lock:
            parent, name = self._parent(path)
            found = parent.names.get(name)
            if not isinstance(found, _File):
                raise _error(errno.ENOENT, path)
            return id(found), len(found.data), hash(bytes(found.data))

    def forget(self, descriptor: int) -> None:
        pass  # it remembers nothing but what it holds

    def allocate(self, descriptor: int, offset: int, length: int) -> None:
        data = self._file(descriptor).data
        data.extend(bytes(max(0, offset + length - len(data))))

    def truncate(self, descriptor: int, length: int) -> None:
        del self._file(descriptor).data[length:]

    def fsync(self, descriptor: int) -> None:
        found, _ = self._open[descriptor]
        if isinstance(found, _File):
            found.durable = bytes(found.data)
        else:
            found.durable = dict(found.names)

    def fdatasync(self, descriptor: int) -> None:
        self.fsync(descriptor)

    def lock(self, descriptor: int) -> None:
        file = self._file(descriptor)
        if file.locked_by is not None:
            raise BlockingIOError(errno.EWOULDBLOCK, "locked")
        file.locked_by = descriptor

    def rename(self, source: Path, target: Path) -> None:
        with self._lock:
            (source_parent, source_name), (target_parent, target_name) = self._parent(source), self._parent(target)
            if source_name not in source_parent.names:
                raise _error(errno.ENOENT, source)
            target_parent.names[target_name] = source_parent.names.pop(source_name)

    def link(self, source: Path, target: Path) -> None:
        with self._lock:
            (source_parent, source_name), (target_parent, target_name) = self._parent(source), self._parent(target)
            if target_name in target_parent.names:
                raise _error(errno.EEXIST, target)
            target_parent.names[target_name] = source_parent.names[source_name]

    def unlink(self, path: Path) -> None:
        with self._lock:
            parent, name = self._parent(path)
            if not isinstance(parent.names.get(name), _File):
                raise _error(errno.ENOENT, path)
            del parent.names[name]

    def mkdir(self, path: Path) -> None:
        with self._lock:
            parent, name = self._parent(path)
            if name in parent.names:
                raise _error(errno.EEXIST, path)
            parent.names[name] = _Folder()

    def rmdir(self, path: Path) -> None:
        with self._lock:
            parent, name = self._parent(path)
            found = parent.names.get(name)
            if not isinstance(found, _Folder):
                raise _error(errno.ENOENT, path)
            if found.names:
                raise _error(errno.ENOTEMPTY, path)
            del parent.names[name]

    def entries(self, folder: Path) -> list[Entry]:
        with self._lock:
            parent, name = self._parent(folder)
            found = parent.names.get(name) if name else parent
            if not isinstance(found, _Folder):
                raise _error(errno.ENOENT, folder)
            return [
                Entry(each, Kind.FILE if isinstance(what, _File) else Kind.FOLDER) for each, what in found.names.items()
            ]

    def scan(self, folder: Path, some: int) -> Iterator[list[Entry]]:
        found = self.entries(folder)
        return iter([found[start : start + some] for start in range(0, len(found), some)])

    def names(self, folder: Path, some: int) -> Iterator[list[bytes]]:
        found = [os.fsencode(each.name) for each in self.entries(folder) if each.kind is Kind.FILE]
        return iter([found[start : start + some] for start in range(0, len(found), some)])

    def load(self, folder: int, name: str | bytes, most: int) -> bytes:
        name = os.fsdecode(name)
        found, _ = self._open[folder]
        assert isinstance(found, _Folder)
        file = found.names.get(name)
        if not isinstance(file, _File):
            raise _error(errno.ENOENT, Path(name))
        return bytes(file.data[:most])

    def exists(self, path: Path) -> bool:
        if path in self._root.parents:
            return True
        try:
            parent, name = self._parent(path)
        except FileNotFoundError:
            return False
        return not name or name in parent.names

    def device(self, path: Path) -> int:
        return 1

    def space(self, path: Path) -> tuple[int, int]:
        return 1 << 40, 1 << 41

    def _file(self, descriptor: int) -> _File:
        found, _ = self._open[descriptor]
        assert isinstance(found, _File)
        return found

    def _parent(self, path: Path) -> tuple[_Folder, str]:
        """The folder that a path lies in, and its name there; the empty name for the root."""
        if path == self._root:
            return self._tree, ""
        folder = self._tree
        *above, name = path.relative_to(self._root).parts
        for part in above:
            found = folder.names.get(part)
            if not isinstance(found, _Folder):
                raise _error(errno.ENOENT, path)
            folder = found
        return folder, name


def _error(code: int, path: Path) -> OSError:
    return OSError(code, os.strerror(code), str(path))


def _survivor(folder: _Folder, luck: random.Random | None, seen: dict[int, _File | _Folder]) -> _Folder:
    made = _Folder()
    seen[id(folder)] = made
    for name in sorted({*folder.names, *folder.durable}):
        now, synced = folder.names.get(name), folder.durable.get(name)
        kept = now if luck is not None and now is not synced and luck.random() < 0.5 else synced
        if kept is None:
            continue
        if id(kept) not in seen:
            seen[id(kept)] = _survivor(kept, luck, seen) if isinstance(kept, _Folder) else _content(kept, luck)
        made.names[name] = made.durable[name] = seen[id(kept)]
    return made


def _content(file: _File, luck: random.Random | None) -> _File:
    """Content that was not synced is there as a whole, in part, or not at all. What was synced is there in any case."""
    data = file.durable
    if luck is not None and data != file.data:
        arrived = luck.randrange(len(file.data) + 1)
        data = luck.choice([data, bytes(file.data), bytes(file.data[:arrived]) + data[arrived:]])
    return _File(bytearray(data), data)


def _synced(folder: _Folder, seen: dict[int, _File | _Folder]) -> _Folder:
    made = _Folder()
    for name, what in folder.names.items():
        if id(what) not in seen:
            seen[id(what)] = (
                _synced(what, seen) if isinstance(what, _Folder) else _File(bytearray(what.data), bytes(what.data))
            )
        made.names[name] = made.durable[name] = seen[id(what)]
    return made


def _unlocked(folder: _Folder, seen: dict[int, _File | _Folder]) -> _Folder:
    made = _Folder()
    seen[id(folder)] = made
    for names, copies in ((folder.names, made.names), (folder.durable, made.durable)):
        for name, what in names.items():
            if id(what) not in seen:
                seen[id(what)] = (
                    _unlocked(what, seen) if isinstance(what, _Folder) else _File(bytearray(what.data), what.durable)
                )
            copies[name] = seen[id(what)]
    return made


def _walk(folder: _Folder, prefix: str) -> list[tuple[str, bytes]]:
    found: list[tuple[str, bytes]] = []
    for name, what in sorted(folder.names.items()):
        if isinstance(what, _Folder):
            found += _walk(what, f"{prefix}{name}/")
        else:
            found.append((prefix + name, bytes(what.data)))
    return found
