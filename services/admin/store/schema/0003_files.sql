-- The registry: one row a document, a copy of its attributes, made for finding. The elements' disks are the truth.

CREATE EXTENSION IF NOT EXISTS pg_trgm;

CREATE TABLE admin.files (
    file_id           uuid PRIMARY KEY,
    element_id        uuid NOT NULL REFERENCES admin.elements (element_id),
    original_filename text NOT NULL,
    content_type      text NOT NULL,
    size              bigint NOT NULL CHECK (size >= 0),
    sha256            text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    uploaded_by       text NOT NULL,
    uploaded_at       timestamptz NOT NULL,
    updated_at        timestamptz NOT NULL,
    description       text NOT NULL,
    tags              text[] NOT NULL,
    metadata          jsonb NOT NULL CHECK (jsonb_typeof(metadata) = 'object'),
    retention_policy  text NOT NULL CHECK (retention_policy IN ('temporary', 'permanent')),
    ttl               interval,
    expires_at        timestamptz,
    status            text NOT NULL CHECK (status IN ('active', 'expired', 'deleted', 'damaged', 'missing')),
    deleted_at        timestamptz,
    deleted_by        text,
    revision          bigint NOT NULL CHECK (revision >= 1),
    epoch             bigint NOT NULL,
    recorded_at       timestamptz NOT NULL DEFAULT now(),
    search_text       text NOT NULL
        GENERATED ALWAYS AS (lower(original_filename || ' ' || description)) STORED,
    extension         text NOT NULL
        GENERATED ALWAYS AS (lower(coalesce(substring(original_filename from '[^/\\]\.([^./\\]+)$'), ''))) STORED
);
COMMENT ON COLUMN admin.files.metadata IS
    'The user''s own object. Numbers keep their exact value, but neither their notation nor the keys their order.';
COMMENT ON COLUMN admin.files.recorded_at IS 'When this row last changed; the only thing here that no disk knows.';
COMMENT ON COLUMN admin.files.extension IS 'What follows the last dot, without it; empty where there is none.';

CREATE INDEX files_search_text ON admin.files USING gin (search_text gin_trgm_ops);
CREATE INDEX files_tags ON admin.files USING gin (tags);
CREATE INDEX files_metadata ON admin.files USING gin (metadata jsonb_path_ops);
CREATE INDEX files_by_upload ON admin.files (uploaded_at, file_id);
CREATE INDEX files_by_size ON admin.files (size, file_id);
CREATE INDEX files_by_name ON admin.files (lower(original_filename), file_id);
CREATE INDEX files_by_extension ON admin.files (extension, uploaded_at, file_id);
CREATE INDEX files_by_uploader ON admin.files (uploaded_by, uploaded_at, file_id);
CREATE INDEX files_by_end ON admin.files (expires_at, file_id) WHERE expires_at IS NOT NULL;
CREATE INDEX files_by_element ON admin.files (element_id, file_id);
