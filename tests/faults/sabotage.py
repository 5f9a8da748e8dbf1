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


def cuts(which: str) -> tuple[str, ...]:
    """The power cuts of some operations."""
    return ("tests/faults/test_power_cuts.py", "-k", f"leaves_everything_whole and ({which})")


UPLOADS, PURGES = cuts("upload"), cuts("purge")
LEADERSHIP = ("tests/unit/storage/store/test_leadership.py",)

SABOTAGE = (
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
        ("    descriptor = fs.open(path, FOLDER)\n    try:\n        fs.fsync(descriptor)"),
        ("    descriptor = fs.open(path, FOLDER)\n    try:\n        pass"),
        UPLOADS,
    ),
    Sabotage(
        "fsync-of-the-folder-of-a-commit",
        f"{STORE}/commits.py",
        (
            "            self._replace_attributes(prepared, document)\n"
            "            sync_folder(self._fs, self._layout.folder(file_id))\n"
        ),
        "            self._replace_attributes(prepared, document)\n",
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
        "        self._fs.fdatasync(self._descriptor)\n",
        "",
        UPLOADS,
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
        "        sync_folder(fs, layout.folder(file_id))\n",
        "",
        ("tests/faults/test_power_cuts.py", "-k", "purge"),
    ),
    Sabotage(
        "fsync-of-the-mode-s-folder",
        f"{STORE}/modefile.py",
        ("        raise full() from error\n    sync_folder(fs, layout.root)"),
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
        (
            "        with self._health.committing():\n"
            "            sync_folder(self._fs, self._layout.uploads)\n"
            "        before = self._known"
        ),
        "        sync_folder(self._fs, self._layout.uploads)\n        before = self._known",
        ("tests/faults/test_disk_errors.py", "-k", "any_failed_call and resumable"),
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
            cwd=folder, env=_environment(folder), capture_output=True, text=True, timeout=PATIENCE, check=False,
        )  # fmt: skip
        if done.returncode not in (0, 1):
            raise LookupError(f"{sabotage.name}: the tests do not run: {done.stdout[-2000:]}")
        return done.returncode == 1


def _environment(folder: Path) -> dict[str, str]:
    path = f"{folder}:{folder / 'proto' / 'gen'}"
    return {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "PYTHONPATH": path, "FAULTS_SEED": SEED}


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
