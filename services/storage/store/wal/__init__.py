"""The journal: what was begun, and what of it is done. Format 1.

    <SE_DATA_DIR>/.wal/                 or SE_WAL_DIR
      0000000012/                       the journal of epoch 12: written by that leader only, read by its successors
        0000000001.seg 0000000002.seg   segments, preallocated with zeros
      set-aside-20261121T013000/        journals that SE_WAL_RESET took out of service; nothing here reads them

**Frame.** A segment is frames one after the other, then zeros. Numbers are big-endian.

    offset 0   4 bytes   magic "AWJ1"
           4   8 bytes   batch number: 1 for an epoch's first frame, one more for each next, across segments
          12   4 bytes   length of the payload
          16   4 bytes   CRC-32C of everything else: bytes 0 to 15 and the payload
          20             payload: a JSON array of records, UTF-8

One frame is one batch: whatever waited while the frame before was on its way to the disk. The next frame is written
only after that one's fdatasync, so that of all frames only the very last can be unfinished.

**Records** (`records.py`).

    {"r":"head","element":U,"lineage":L,"epoch":E,"segment":S,"applied":N,"spent":[E,S],"number":N,"at":TIME}
    {"r":"begin","tx":T,"op":"create|update|purge|mode","file":ID,"name":STORAGE_FILENAME,"size":…,"sha256":…,
     "old":…,"new":…,"kind":K}
    {"r":"commit","tx":T,"number":N,"file":ID,"name":STORAGE_FILENAME,"kind":K}
    {"r":"abort","tx":T}
    {"r":"checkpoint","applied":N,"spent":[E,S]}

A head is the first record of each segment. A begin names two paths: the data `name` and the attributes beside it, in
the folder that the id names. Of a create neither existed before the begin. `tx` and `number` are epoch · 2³² + n, each
counted for itself, so that a successor never repeats one. `old` and `new` are revisions; delete is an update of the
status. A commit repeats id and name, so that it can be read without its begin; `kind` is what the change feed calls it.
Where `op` is `mode`, `file` and `name` are empty, and `old` and `new` are revisions of `mode.json`. A head's `number`
is that of the last commit before its segment, `at` when the segment was begun. `applied`: the index has this number and
all before it durably; `spent`: what lies in segments before this epoch and segment is not needed any more, whether or
not it is still there.

**Room.** A begin is taken only if the commits of all open transactions fit behind it in the same segment; else a new
segment is made first. So a commit never needs a new one, and cannot fail for want of room.

**Reading** (`reading.py`). All segments that are not spent are fsynced first: what a successor believes must not be
lost to a later power cut. A bad frame with nothing valid after it is a torn tail: nobody was told of it, it is cut off
and logged. A bad frame with a valid one after it is damage: something that was durable has changed. Then nobody knows
what is open: the element serves reads, refuses writes, and says so until SE_WAL_RESET.

**Kept.** Segments that are spent stay for SE_FEED_RETENTION after the last commit in them, the latest of them in
SE_FEED_MAX_SIZE: the change feed is read from them (`kept.py`). A start does not read them: it goes from the newest
segment backwards to the first that is spent. That none is missing between two of them, and no frame, is told by
`number` in the heads.

**Lineage.** Random, made with the first journal and whenever it was lost or set aside, was restored from a backup, is a
copy's (its heads name the element that it was copied from), or knows less than the index, which is to say that the
directory has gone back in time. Numbers mean something only together with element and lineage; an index of another
lineage is made anew.
"""
