"""The tables of the index. A change of them is a new `index.SCHEMA_VERSION`: an index of another one is made anew."""

SCHEMA = """
CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE destroyed (
    file_id BLOB PRIMARY KEY,
    size INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    why TEXT NOT NULL,
    by TEXT,
    ended_ms INTEGER NOT NULL,
    destroyed_ms INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX destroyed_by_time ON destroyed (destroyed_ms, file_id);
CREATE TABLE verified (file_id BLOB PRIMARY KEY, at_ms INTEGER NOT NULL) WITHOUT ROWID;
"""
FILES = """
CREATE TABLE files (
    file_id BLOB PRIMARY KEY,
    storage_filename TEXT NOT NULL,
    uploaded_ms INTEGER NOT NULL,
    status TEXT NOT NULL,
    size INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    expires_ms INTEGER
) WITHOUT ROWID;
CREATE INDEX files_by_time ON files (uploaded_ms, file_id);
CREATE INDEX files_by_status ON files (status, uploaded_ms, file_id);
CREATE INDEX files_by_end ON files (expires_ms, file_id) WHERE status = 'active' AND expires_ms IS NOT NULL;
CREATE INDEX files_ended ON files (file_id) WHERE status IN ('deleted', 'expired');
CREATE TABLE totals (status TEXT PRIMARY KEY, files INTEGER NOT NULL, bytes INTEGER NOT NULL) WITHOUT ROWID;
CREATE TRIGGER file_added AFTER INSERT ON files BEGIN
    INSERT INTO totals VALUES (new.status, 1, new.size)
    ON CONFLICT (status) DO UPDATE SET files = files + 1, bytes = bytes + excluded.bytes;
END;
CREATE TRIGGER file_changed AFTER UPDATE ON files WHEN old.status <> new.status OR old.size <> new.size BEGIN
    UPDATE totals SET files = files - 1, bytes = bytes - old.size WHERE status = old.status;
    INSERT INTO totals VALUES (new.status, 1, new.size)
    ON CONFLICT (status) DO UPDATE SET files = files + 1, bytes = bytes + excluded.bytes;
END;
CREATE TRIGGER file_gone AFTER DELETE ON files BEGIN
    UPDATE totals SET files = files - 1, bytes = bytes - old.size WHERE status = old.status;
END;
"""
EMPTY = """
INSERT OR REPLACE INTO about VALUES ('complete', '0');
DELETE FROM destroyed;
DELETE FROM verified;
DROP TABLE files;
DROP TABLE totals;
"""
