"""Which mount a path lies on, and whether a lock there is one for everybody."""

from __future__ import annotations

import pytest

from services.storage.domain.mounts import mount_of

TABLE = r"""
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw,errors=remount-ro
30 22 0:40 / /data rw,relatime shared:9 - nfs4 store:/a rw,vers=4.2,hard,local_lock=none,addr=10.0.0.1
31 22 0:41 / /legacy rw,relatime - nfs store:/b rw,vers=3,nolock,local_lock=all,addr=10.0.0.1
32 22 0:42 / /half rw,relatime - nfs4 store:/c rw,vers=4.1,local_lock=flock
33 22 0:43 / /with\040blank rw - nfs4 store:/d rw,local_lock=posix
34 30 8:2 / /data/local rw - xfs /dev/sdb1 rw
35 22 0:44 / /covered rw - nfs4 store:/e rw,nolock
36 35 8:3 / /covered rw - ext4 /dev/sdc1 rw
37 22 0:45 / /home rw shared:3 master:1 - fuse.sshfs host:/ rw
malformed line
"""


@pytest.mark.parametrize(
    ("path", "point", "local_locks", "network"),
    [
        ("/var/lib/artstore", "/", "", False),
        ("/data", "/data", "", True),
        ("/data/se-1", "/data", "", True),
        ("/database", "/", "", False),
        ("/data/local/index", "/data/local", "", False),
        ("/legacy/se-1", "/legacy", "local_lock=all", True),
        ("/half/se-1", "/half", "local_lock=flock", True),
        ("/with blank/se-1", "/with blank", "local_lock=posix", True),
        ("/covered/se-1", "/covered", "", False),
        ("/home/anna", "/home", "", True),
    ],
)
def test_a_path_lies_on_the_innermost_mount(path: str, point: str, local_locks: str, network: bool) -> None:
    mount = mount_of(path, TABLE)
    assert mount is not None
    assert (mount.point, mount.local_locks, mount.network) == (point, local_locks, network)


def test_nolock_alone_is_enough() -> None:
    mount = mount_of("/x", "31 22 0:41 / /x rw,relatime - nfs store:/b rw,vers=3,nolock,addr=10.0.0.1")
    assert mount is not None
    assert mount.local_locks == "nolock"


def test_a_table_that_does_not_tell_says_nothing() -> None:
    assert mount_of("/x", "") is None
