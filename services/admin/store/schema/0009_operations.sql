-- Work that takes longer than an answer, and what is known of elements from being synced.

CREATE TABLE admin.operations (
    operation_id     uuid PRIMARY KEY,
    kind             text NOT NULL,
    element_id       uuid NOT NULL,
    state            text NOT NULL CHECK (state IN ('pending', 'running', 'succeeded', 'failed', 'cancelled')),
    arguments        jsonb NOT NULL,
    memory           jsonb NOT NULL DEFAULT '{}',
    attempts         integer NOT NULL DEFAULT 0,
    done             bigint NOT NULL DEFAULT 0,
    total            bigint,
    unit             text NOT NULL DEFAULT 'files',
    result           jsonb,
    error_code       text,
    error_message    text,
    cancel_requested boolean NOT NULL DEFAULT false,
    created_by       text NOT NULL,
    created_at       timestamptz NOT NULL,
    started_at       timestamptz,
    finished_at      timestamptz,
    CHECK ((error_code IS NULL) = (error_message IS NULL)),
    CHECK ((finished_at IS NULL) = (state IN ('pending', 'running')))
);
COMMENT ON COLUMN admin.operations.element_id IS 'May be registered no more: what was done stays known.';
COMMENT ON COLUMN admin.operations.memory IS 'Where it stands, for whoever takes it up after the one who did it died.';

-- One of a kind at a time; who asks for a second one is told of the first.
CREATE UNIQUE INDEX operations_one_open ON admin.operations (element_id, kind) WHERE state IN ('pending', 'running');
CREATE INDEX operations_by_time ON admin.operations (created_at, operation_id);
CREATE INDEX operations_by_element ON admin.operations (element_id, kind, created_at);

ALTER TABLE admin.elements
    ADD COLUMN complaint       text NOT NULL DEFAULT '',
    ADD COLUMN complaint_since timestamptz,
    ADD COLUMN last_sync_at    timestamptz;
COMMENT ON COLUMN admin.elements.complaint IS 'What a sync had to complain of: the element counts as degraded. Empty: nothing.';
COMMENT ON COLUMN admin.elements.last_sync_at IS 'When all that it holds was last compared with the registry.';

-- A sync walks through the rows of an element in the order in which the element lists its files.
CREATE INDEX files_of_element ON admin.files (element_id, uploaded_at, file_id);
DROP INDEX admin.files_by_element;
