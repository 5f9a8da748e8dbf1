-- The registered storage elements, with what each said of itself when it was last heard.

CREATE TABLE admin.elements (
    element_id      uuid PRIMARY KEY,
    name            text NOT NULL,
    endpoint        text NOT NULL,
    storage_id      text NOT NULL UNIQUE,
    element_uuid    uuid NOT NULL UNIQUE,
    mode            text NOT NULL CHECK (mode IN ('edit', 'rw', 'ro', 'ar')),
    mode_revision   bigint NOT NULL,
    replica_mode    text NOT NULL CHECK (replica_mode IN ('standalone', 'replicated')),
    role            text NOT NULL CHECK (role IN ('leader', 'follower')),
    capacity_bytes  bigint NOT NULL,
    used_bytes      bigint NOT NULL,
    available_bytes bigint NOT NULL,
    max_file_size   bigint NOT NULL,
    files           jsonb NOT NULL,
    version         text NOT NULL,
    writable        boolean NOT NULL,
    status          text NOT NULL CHECK (status IN ('online', 'degraded', 'offline')),
    status_since    timestamptz NOT NULL,
    status_reason   text NOT NULL,
    last_seen_at    timestamptz NOT NULL,
    created_at      timestamptz NOT NULL
);
COMMENT ON COLUMN admin.elements.endpoint IS 'host:port of its gRPC server.';
COMMENT ON COLUMN admin.elements.files IS 'Files by status, as the element counts them.';
COMMENT ON COLUMN admin.elements.status_reason IS 'Why it is not online, in words; empty when it is.';

CREATE INDEX elements_by_name ON admin.elements (name COLLATE "C", element_id);
