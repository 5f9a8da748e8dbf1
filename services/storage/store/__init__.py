"""The element's disk: what lies there, and how it gets there.

The promise: with every process stopped and PostgreSQL gone, a person with `ls`, `jq` and `sha256sum` has everything.

    <SE_DATA_DIR>/
      element.json                identity: format, storage_id, element_uuid, created_at; made with link(), never again
      mode.json                   mode, revision, changed_at, changed_by
      .leader.lock                flock target, never removed
      .epochs/0000000012          one empty file for each time that a process took charge, created O_EXCL
      files/2026/11/21/01/        the UTC hour inside the file id (a UUIDv7)
        report_ivanov_20261121T013000_<uuid>.pdf
        report_ivanov_20261121T013000_<uuid>.pdf.attr.json
      incoming/0000000012/        every temporary of epoch 12: <id>.<n>.part, <id>.<n>.attr.json, mode.<n>.json
      quarantine/                 what was found in the way, set aside and never deleted
      destroyed/2026/11.jsonl     what was destroyed: id, size, sha256, why, by, when
      gc.json                     when garbage was last collected
    <SE_INDEX_DIR>/index.sqlite   local to one process; only finds files, and can be thrown away

JSON on the disk is sealed (`domain/seal.py`); attributes are described in `domain/documents.py`, names in
`domain/names.py`.

**Who may write.** A process takes the flock on `.leader.lock` (`leadership.py`), claims the next epoch, and then
fences: it empties and removes every older folder under `incoming/`. Nobody makes such a folder again. Every commit is a
rename out of the committer's own folder there, so a process that lost the lock without noticing fails in the file
system, at the commit itself.

**Create** (`commits.py`; every operation on a file holds that file's lock from reading its attributes to the end):

1. reserve the space: declared sizes are summed, SE_MIN_FREE_SPACE is kept, the blocks are allocated for real
2. stream into `incoming/<epoch>/`, hashing on the way; compare length and digest; fdatasync
3. write the new attributes into `incoming/<epoch>/`, fsync
4. the mode, looked at again under its lock (`usecases/mode_gate.py`), still permits it
5. rename the data into `files/…`; fsync that folder
6. rename the attributes: **the commit point**; fsync the folder
7. put the row into the index; answer

**Update, delete**: 3, 4, 6, 7. A folder counts as existing only after this process has fsynced its parent; else a power
cut could take a whole new hour with it. From step 4 on everything runs to its end even if the caller goes away.

**Destroying** (`purging.py`): a line in `destroyed/`, durable, then the attributes by a rename into `incoming/<epoch>`,
then the data. A crash in between is finished by the next start. **The mode** is replaced whole by a rename out of
`incoming/<epoch>/`, as everything is.

**What a crash leaves.** Before 5: parts in `incoming/`, removed at the next start. Between 5 and 6: data without
attributes in `files/`, an *orphan*. It was never acknowledged, but nothing here can tell it from somebody's document
whose attributes were lost, so it is left alone and logged. After 6 the file is there: the next start fsyncs every
folder that it reads before it serves what it found, so that what was seen once is not lost to a later power cut.

**Disk errors.** A full disk (ENOSPC, EDQUOT) before the commit point undoes the operation: `STORAGE_FULL`. Any other
error of a write, rename or fsync is never retried, since the kernel may have dropped what it could not write: the
element stops writing until it is restarted, its readiness fails, and callers get `STORAGE_UNAVAILABLE`, which means:
the outcome is not known, ask again with the same id.

**The index** (`index.py`) counts as complete only if the process that led before closed it cleanly; otherwise it is
made anew from the disk while reads by id, uploads and changes already work (a miss is then looked up in the folder that
the id names). Listing waits for it: a part is never given for the whole.

**What is not here yet: the journal.** With it, `begin` will become durable between 4 and 5 and `commit` after 6, and
that will buy four things which this version does not have: a start after a crash that looks only at what was open
instead of reading every attribute file; orphans of a crash recognised as ours and removed; a change feed whose numbers
cannot be wrong; a takeover that can finish what a dead leader began. What is acknowledged is durable without it.
"""
