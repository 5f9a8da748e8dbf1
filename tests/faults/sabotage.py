"""Take one safeguard away in a copy of the tree, and see that the programme notices. For each line of `SABOTAGE`.

    python -m tests.faults.sabotage                all of them
    python -m tests.faults.sabotage NAME …         some
    python -m tests.faults.sabotage --list         what there is

Ends with status 1 if one goes unnoticed, or does not apply any more: then its line is to follow the code.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
COPIED = ("services", "clients", "gateway", "proto/gen", "tests", "pyproject.toml")
STORE = "services/storage/store"
SEED = "1"
"""A fixed one: what was noticed once is noticed again."""
PATIENCE = 600.0


@dataclass(frozen=True)
class Sabotage:
    """One safeguard less."""

    name: str
    file: str
    old: str
    """Exactly as it stands there, once."""
    new: str
    tests: tuple[str, ...]
    """Arguments of pytest: the part of the programme that has to notice."""
    full: bool = False
    """Where it takes luck that the short size has not always: its full size."""


def cuts(which: str) -> tuple[str, ...]:
    """The power cuts of some operations."""
    return ("tests/faults/test_power_cuts.py", "-k", f"leaves_everything_whole and ({which})")


def recovery(which: str) -> tuple[str, ...]:
    """The power cuts of the recovery of some operations."""
    return ("tests/faults/test_power_cuts.py", "-k", f"recovery_is_cut and ({which})")


def without(
    name: str, file: str, line: str, tests: tuple[str, ...], after: str = "", *, full: bool = False
) -> Sabotage:
    """A single line less. `after`: what stands before it, where it is not the only one of its kind."""
    indented = line[: len(line) - len(line.lstrip())]
    return Sabotage(name, f"{STORE}/{file}", f"{after}{line}\n", f"{after}{indented}pass\n", tests, full=full)


UPLOADS, PURGES = cuts("upload"), cuts("purge")
FEED = ("tests/unit/storage/store/test_feed_cuts.py",)
LEADERSHIP = ("tests/unit/storage/store/test_leadership.py",)

SAFEGUARDS = (
    Sabotage(
        "fsync-of-the-bytes",
        f"{STORE}/part.py",
        ("            self._fs.fdatasync(self._file)\n            self._close()"),
        "            self._close()",
        UPLOADS,
    ),
    Sabotage(
        "fsync-of-new-attributes",
        f"{STORE}/durable.py",
        ("            write_all(fs, descriptor, data)\n            fs.fsync(descriptor)"),
        "            write_all(fs, descriptor, data)",
        cuts("update"),
    ),
    Sabotage(
        "fsync-of-folders",
        f"{STORE}/durable.py",
        "            fs.fsync(descriptor)\n        except OSError as error:\n",
        "            pass\n        except OSError as error:\n",
        UPLOADS,
    ),
    Sabotage(
        "fsync-of-the-folder-of-a-commit",
        f"{STORE}/commits.py",
        ("            self._replace_attributes(prepared, document, sync=sync)\n            sync()\n"),
        "            self._replace_attributes(prepared, document, sync=sync)\n",
        cuts("update"),
    ),
    Sabotage(
        "fsync-of-a-new-folder",
        f"{STORE}/durable.py",
        ("            self._fs.mkdir(folder)\n        sync_folder(self._fs, folder.parent)"),
        "            self._fs.mkdir(folder)",
        UPLOADS,
    ),
    Sabotage(
        "fsync-of-the-journal",
        f"{STORE}/wal/journal.py",
        "            self._fs.fdatasync(self._descriptor)\n",
        "            pass\n",
        FEED,
    ),
    Sabotage(
        "fsync-of-the-destroyed-log",
        f"{STORE}/destroyed.py",
        "                self._fs.fsync(descriptor)\n",
        "",
        PURGES,
    ),
    Sabotage(
        "fsync-of-the-destroyed-log-s-folder",
        f"{STORE}/destroyed.py",
        "            sync_folder(self._fs, path.parent)\n",
        "",
        PURGES,
    ),
    Sabotage(
        "fsync-of-a-purge-s-folder",
        f"{STORE}/purging.py",
        "        sync()\n",
        "",
        ("tests/faults/test_power_cuts.py", "-k", "purge"),
    ),
    Sabotage(
        "fsync-of-the-mode-s-folder",
        f"{STORE}/modefile.py",
        ("        raise full() from error\n    sync()"),
        "        raise full() from error",
        cuts("mode"),
    ),
    Sabotage(
        "fence",
        f"{STORE}/leadership.py",
        "        removed += _remove(fs, layout, layout.incoming / entry.name, own, now)\n",
        "",
        (*LEADERSHIP, *cuts("upload")[:1], "-k", "fence or leaves_everything_whole"),
    ),
    Sabotage(
        "lock-of-a-file",
        f"{STORE}/locks.py",
        ("            async with lock:\n                yield"),
        "            yield",
        ("tests/contract/storage", "tests/unit/storage/store"),
    ),
    Sabotage(
        "digest-of-an-upload",
        "services/storage/domain/uploads.py",
        "    if said is not None and said != found:",
        "    if False:",
        ("tests/unit/storage/domain/test_uploads.py", "tests/unit/storage/usecases/test_store_file.py"),
    ),
    Sabotage(
        "digest-in-recovery",
        f"{STORE}/wal/recovery.py",
        " or self._digest(begin) != begin.sha256:",
        ":",
        ("tests/faults/test_power_cuts.py", "tests/unit/storage/store/wal"),
    ),
    Sabotage(
        "begin-before-the-change",
        f"{STORE}/wal/recovery.py",
        ("            self._remove(begin)\n            return False"),
        "            return False",
        UPLOADS,
    ),
    Sabotage(
        "checksum-of-the-journal",
        f"{STORE}/wal/frames.py",
        "    if checksum != _checksum(data[offset : offset + _FIXED.size], payload):",
        "    if False:",
        ("tests/unit/storage/store/wal/test_frames.py",),
    ),
    Sabotage(
        "full-disk-excuses-a-folder-s-sync",
        f"{STORE}/health.py",
        " and not isinstance(error, FolderNotSynced):",
        ":",
        ("tests/unit/storage/store/test_disk_errors.py",),
    ),
    Sabotage(
        "undone-stays-in-the-index",
        f"{STORE}/wal/takeover.py",
        "    if undone:\n",
        "    if False:\n",
        ("tests/faults/test_disk_errors.py", "-k", "any_failed_call and (upload or update)"),
    ),
    Sabotage(
        "being-destroyed-is-not-found",
        f"{STORE}/lookup.py",
        "(not self._index.complete or self._index.get(file_id) is not None)",
        "not self._index.complete",
        ("tests/faults/test_disk_errors.py", "-k", "any_failed_call and purge"),
    ),
    Sabotage(
        "reserve",
        f"{STORE}/reserve.py",
        ("            if not self.release():\n                raise"),
        "            raise",
        ("tests/unit/storage/store/test_reserve.py",),
    ),
    Sabotage(
        "upload-s-record-excused",
        f"{STORE}/uploads.py",
        "            sync()\n        self._note(upload)",
        "            sync_folder(self._fs, self._layout.uploads)\n        self._note(upload)",
        ("tests/faults/test_disk_errors.py", "-k", "too_many_open_files and resumable"),
    ),
    Sabotage(
        "folder-opened-too-late",
        f"{STORE}/purging.py",
        "        sync()\n",
        "        with open_folder(fs, layout.folder(file_id)) as sync:\n            sync()\n",
        ("tests/faults/test_disk_errors.py", "-k", "too_many_open_files and purge"),
    ),
    Sabotage(
        "put-back-reads-unguarded",
        f"{STORE}/restoring.py",
        ("        with reading():\n            try:\n                names ="),
        ("        if True:\n            try:\n                names ="),
        ("tests/faults/test_disk_errors.py", "-k", "any_failed_call and put-back"),
    ),
    Sabotage(
        "put-back-behind-the-fence",
        f"{STORE}/restoring.py",
        "            if self._fs.exists(self._quarantine.shelf.path(item_id, data)):\n                raise",
        "            if False:\n                raise",
        ("tests/unit/storage/store/test_two_leaders.py", "-k", "put_back"),
    ),
)

SYNCS = (
    without("fsync-of-a-batch", "small.py", "                self._fs.fsync(new.open[-1])", cuts("batch")),
    without(
        "fsync-of-the-folders-of-a-batch",
        "small.py",
        "                    sync()",
        cuts("batch"),
    ),
    without("fsync-of-appended-bytes", "uploads.py", "            self._fs.fdatasync(descriptor)", cuts("resumable")),
    without(
        "fsync-of-the-folder-of-an-upload-s-record",
        "uploads.py",
        "            sync()",
        cuts("resumable"),
    ),
    without(
        "fsync-of-an-upload-s-copy",
        "uploads.py",
        "                self._fs.fsync(target)",
        ("tests/unit/storage/store/test_uploads.py", "-k", "power_cut"),
    ),
    without("fsync-of-an-item-s-folder", "quarantine.py", "        sync_folder(self._fs, item)", cuts("set-aside")),
    without(
        "fsync-of-the-quarantine-s-folder",
        "quarantine.py",
        "            sync_folder(self._fs, self._root)",
        cuts("set-aside"),
        after="                continue\n",
    ),
    without(
        "fsync-of-the-folder-of-what-is-put-back",
        "restoring.py",
        "                sync()",
        cuts("put-back"),
        full=True,
    ),
    without(
        "fsync-of-the-folder-of-a-new-file",
        "commits.py",
        "            sync()",
        UPLOADS,
        after="            self.publish(document, part, prepared, moved=moved, sync=sync)\n",
    ),
    without(
        "fsync-of-the-folder-of-a-file-that-is-put-back",
        "commits.py",
        "            sync()",
        ("tests/faults/test_quarantine.py", "-k", "power_cut and corrupt and back"),
        after="            self.publish(document, part, prepared, moved=lambda: None, sync=sync)\n",
    ),
    without(
        "fsync-of-the-folder-of-gc-json",
        "gcfile.py",
        "            sync()",
        cuts("collection-noted"),
    ),
    without(
        "fsync-of-a-new-segment-s-folder", "wal/segments.py", "            sync_folder(self.fs, path.parent)", UPLOADS
    ),
    without(
        "fsync-of-a-new-journal-s-folder",
        "wal/segments.py",
        "        sync_folder(self.fs, self.root)",
        UPLOADS,
        after="        self.fs.mkdir(self._folder(epoch))\n",
    ),
    without("fsync-of-the-epoch", "leadership.py", "    sync_folder(fs, layout.epochs)", cuts("start or takeover")),
    without(
        "fsync-of-what-recovery-keeps",
        "wal/recovery.py",
        "        sync_folder(self._fs, folder)",
        recovery("update"),
        after="        sync_file(self._fs, self._attributes(begin))\n",
    ),
    without(
        "fsync-of-what-recovery-removes",
        "wal/recovery.py",
        "            sync_folder(self._fs, folder)",
        recovery("upload or purge"),
    ),
    without("fsync-of-the-journal-that-is-read", "wal/reading.py", "    sync_file(segments.fs, path)", FEED),
)
"""Each fsync of the store but those that are there twice over: see the note beneath the table in `BUGS.md`."""
SABOTAGE = (*SAFEGUARDS, *SYNCS)
SAMPLE = ("fsync-of-new-attributes", "digest-of-an-upload")
"""What CI takes; the whole table takes minutes."""


def copy_of_the_tree(folder: Path) -> None:
    """All that the programme needs, in `folder`."""
    for name in COPIED:
        source, target = ROOT / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)


def noticed(sabotage: Sabotage) -> bool:
    """Whether the programme fails without it. Raises `LookupError` if it does not apply to the code as it is."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        copy_of_the_tree(folder)
        path = folder / sabotage.file
        text = path.read_text()
        if text.count(sabotage.old) != 1:
            raise LookupError(f"{sabotage.name}: its text stands {text.count(sabotage.old)} times in {sabotage.file}")
        path.write_text(text.replace(sabotage.old, sabotage.new))
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *sabotage.tests],
            cwd=folder, env=_environment(folder, full=sabotage.full), capture_output=True, text=True,
            timeout=PATIENCE, check=False,
        )  # fmt: skip
        if done.returncode not in (0, 1):
            raise LookupError(f"{sabotage.name}: the tests do not run: {done.stdout[-2000:]}")
        return done.returncode == 1


def _environment(folder: Path, *, full: bool) -> dict[str, str]:
    path = f"{folder}:{folder / 'proto' / 'gen'}"
    return {
        "PATH": "/usr/bin:/bin:/usr/sbin:/sbin",
        "PYTHONPATH": path,
        "FAULTS_SEED": SEED,
        "FAULTS_FULL": "1" if full else "",
    }


def main(names: list[str]) -> int:
    """Try those of these names; all without one."""
    if names == ["--list"]:
        print(*(each.name for each in SABOTAGE), sep="\n")  # noqa: T201 - a program
        return 0
    unnoticed = 0
    for each in SABOTAGE:
        if names and each.name not in names:
            continue
        try:
            verdict = "noticed" if noticed(each) else "UNNOTICED"
        except LookupError as error:
            verdict = str(error)
        unnoticed += verdict != "noticed"
        print(f"{each.name:40} {verdict}", flush=True)  # noqa: T201 - a program
    return 1 if unnoticed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
