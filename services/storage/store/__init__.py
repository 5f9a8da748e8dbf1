"""The element's disk: what lies there, and how it gets there.

The promise: with every process stopped and PostgreSQL gone, a person with `ls`, `jq` and `sha256sum` has everything.

    <SE_DATA_DIR>/
      element.json                identity: format, storage_id, element_uuid, created_at; made with link(), replaced
                                  only where a copy becomes an element of its own
      mode.json                   mode, revision, changed_at, changed_by
      .leader.lock                flock target, never removed
      .leader.info                who leads, and his last beat, where several processes serve the directory (`beat.py`)
      .reserve                    4 MiB of real blocks, given up when the disk is full (`reserve.py`)
      .wal/0000000012/            the journal of epoch 12 (`wal/`); SE_WAL_DIR may put it elsewhere
      .epochs/0000000012          one empty file for each time that a process took charge, created O_EXCL
      files/2026/11/21/01/        the UTC hour inside the file id (a UUIDv7)
        report_ivanov_20261121T013000_<uuid>.pdf
        report_ivanov_20261121T013000_<uuid>.pdf.attr.json
      incoming/0000000012/        every temporary of epoch 12: <id>.<n>.part, <id>.<n>.attr.json, mode.<n>.json
      uploads/<id>.{part,json}    resumable uploads in progress (`uploads.py`)
      quarantine/<time>_<what>/   what was set aside, with its reason; never deleted (`quarantine.py`)
      destroyed/2026/11.jsonl     what was destroyed: id, size, sha256, why, by, when
      gc.json reconcile.json      when garbage was last collected, and the disk looked through
      scrub.json                  how far the scrub has come (`scrubfile.py`)
    <SE_INDEX_DIR>/index.sqlite   local to one process; only finds files, and can be thrown away

JSON on the disk is sealed (`domain/seal.py`); attributes are described in `domain/documents.py`, names in
`domain/names.py`.

**Who may write.** A process takes the flock on `.leader.lock` (`leadership.py`), claims the next epoch, and then
fences: it empties and removes every older folder under `incoming/`. Nobody makes such a folder again. Every commit is a
rename out of the committer's own folder there, so a process that lost the lock without noticing fails in the file
system, at the commit itself. Where several processes serve one directory, a follower also claims when the leader's
beats have stopped and he does not answer (`usecases/elect.py`, `candidate.py`); whoever does not lead only reads, and
keeps its index up to date from the leader's journal (`following.py`). A leadership comes and goes while the process
lives on: whatever writes asks for it each time (`charge.py`).

**Create** (`commits.py`; every operation on a file holds that file's lock from reading its attributes to the end):

1. reserve the space: declared sizes are summed, SE_MIN_FREE_SPACE is kept, the blocks are allocated for real
2. stream into `incoming/<epoch>/`, hashing on the way; compare length and digest; fdatasync
3. write the new attributes into `incoming/<epoch>/`, fsync
4. the mode, looked at again under its lock (`usecases/mode_gate.py`), still permits it; `begin` durable in the journal
5. rename the data into `files/…`
6. rename the attributes: **the commit point**; fsync the folder, which holds both names
7. `commit` with the next number durable in the journal, the row and the number in the index; answer

There is no fsync between 5 and 6: attributes whose data a power cut took are named by an open `begin`, and go with it.

**Small files** (`small.py`, `batches.py`; one call, at most 1 MiB each) take the same steps in the same order. Those
that come while others are under way share one job of a thread: all are written, then each is fsynced; one frame of the
journal holds all begins; then come all renames, one fsync for each folder, and one frame with all commits. A file that
fails on its way is left behind with its own error.

**Update, delete**: 3, 4, 6, 7. A folder counts as existing only after this process has fsynced its parent; else a power
cut could take a whole new hour with it. From step 4 on everything runs to its end even if the caller goes away.

**Destroying** (`purging.py`): a line in `destroyed/`, durable, `begin`, then the attributes by a rename into
`incoming/<epoch>`, then the data, `commit`. A crash in between is finished by the next start. **The mode** is replaced
whole by a rename out of `incoming/<epoch>/`, as everything is, between its own `begin` and `commit`.

**What a crash leaves** is settled by the next start before anything is written (`wal/recovery.py`); it can itself be
cut off anywhere and repeated. Parts in `incoming/` are removed. Of a create that was begun: if its attributes are in
place and its data have their digest, both are made durable and it is committed; else the two paths that its `begin`
names are removed, neither of which existed before. Of an update that was begun: the revision on the disk decides. What
no journal names is not ours to judge: data without attributes stay where they are, and are logged when an index is
made.

**Damage** (`keeping.py`; the scrub, a reader, or somebody who asks finds it) is believed after a second read past the
page cache. It is an update of the attributes like any other: status `damaged` with `damage{found_at, actual_sha256}`,
or `missing`; then the bytes are moved to `quarantine/`. A crash in between leaves a damaged file with bytes at its
place, which the next scrub moves. Right bytes at the place of a file make it active again.

**Disk errors.** A full disk (ENOSPC, EDQUOT) before the commit point undoes the operation: `STORAGE_FULL`. Changes and
destruction are then tried again with `.reserve` given up; it comes back once there is room. A folder's fsync that fails
is never a full disk. Any other error of a write, rename or fsync, of the journal's above all, is never retried, since
the kernel may have dropped what it could not write: the element stops writing until it is restarted, its readiness
fails, and callers get `STORAGE_UNAVAILABLE`, which means: the outcome is not known, ask again with the same id.
Too many open files refuse what is being prepared (`STORAGE_UNAVAILABLE`, try again) and stop nothing: what must be
synced after `begin` is open before it.

**The index** (`index.py`) keeps the number of the last commit that it knows of in the same transaction as the rows: a
start reads only what the journal holds after it, after a crash too. An index that is new, stale, or of another lineage
is made anew from the disk while reads by id, uploads and changes already work (a miss is then looked up in the folder
that the id names). Listing waits for it: a part is never given for the whole.

**A damaged journal** (`wal/__init__.py` says how that is told from a torn tail) leaves open what was under way: files
are served, nothing is written, readiness fails with the reason, until an operator decides by SE_WAL_RESET.

**The change feed** (`feed.py`) tells each commit by its number to those who follow the element, once it is durable and
the index knows of it. It is the journal, kept for SE_FEED_RETENTION.
"""
