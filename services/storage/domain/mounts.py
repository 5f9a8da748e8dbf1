"""Which file systems may hold an element: those on which a lock is a lock for everybody.

Read from /proc/self/mountinfo (proc(5)): `36 35 98:0 /root /mount/point options … - type source super-options`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

NETWORK = frozenset({"nfs", "nfs4", "cifs", "smb3", "9p", "ceph", "glusterfs", "lustre"})
_ESCAPED = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True, slots=True)
class Mount:
    """Where a path lies."""

    point: str
    kind: str
    options: frozenset[str]

    @property
    def network(self) -> bool:
        """Whether other machines may see the same files."""
        return self.kind in NETWORK or self.kind.startswith("fuse.")

    @property
    def local_locks(self) -> str:
        """The option by which a lock holds on this machine only; empty if there is none."""
        for option in sorted(self.options):
            name, _, value = option.partition("=")
            if option == "nolock" or (name == "local_lock" and value != "none"):
                return option
        return ""


def mount_of(path: str, mountinfo: str) -> Mount | None:
    """The mount that holds an absolute path; None if the table does not tell."""
    found: Mount | None = None
    for line in mountinfo.splitlines():
        mount = _mount(line)
        if mount is None or not _lies_in(path, mount.point):
            continue
        if found is None or len(mount.point) >= len(found.point):  # of two at one place the later one is on top
            found = mount
    return found


def _mount(line: str) -> Mount | None:
    before, dash, after = line.partition(" - ")
    fields, rest = before.split(), after.split()
    if not dash or len(fields) < 6 or len(rest) < 2:
        return None
    options = ",".join([fields[5], *rest[2:3]])
    return Mount(_unescaped(fields[4]), rest[0], frozenset(options.split(",")))


def _lies_in(path: str, point: str) -> bool:
    return path == point or path.startswith(point.rstrip("/") + "/")


def _unescaped(text: str) -> str:
    """Blanks and the like are written as three octal digits of a byte."""
    return _ESCAPED.sub(lambda found: chr(int(found[1], 8)), text)
