-- People log in: what else is known of them, failures that lock them out for a while, and their refresh tokens.

ALTER TABLE admin.users
    ADD COLUMN full_name     text NOT NULL DEFAULT '',
    ADD COLUMN email         text NOT NULL DEFAULT '',
    ADD COLUMN last_login_at timestamptz;
COMMENT ON COLUMN admin.users.status IS 'active or disabled; a lock is a row in login_failures.';

-- A name that nobody has is locked out like any other: whoever tries learns nothing about who there is.
CREATE TABLE admin.login_failures (
    username     text PRIMARY KEY,
    failures     integer NOT NULL,
    last_at      timestamptz NOT NULL,
    locked_until timestamptz
);
COMMENT ON COLUMN admin.login_failures.username IS 'In lower case. Rows are removed once they have no effect any more.';
CREATE INDEX login_failures_last_at ON admin.login_failures (last_at);

CREATE TABLE admin.refresh_tokens (
    token_sha256 bytea PRIMARY KEY CHECK (length(token_sha256) = 32),
    family       uuid NOT NULL,
    user_id      uuid NOT NULL REFERENCES admin.users ON DELETE CASCADE,
    expires_at   timestamptz NOT NULL,
    used_at      timestamptz
);
COMMENT ON TABLE admin.refresh_tokens IS 'Each is good for one use; a session (family) is gone when its rows are.';
CREATE INDEX refresh_tokens_family ON admin.refresh_tokens (family);
CREATE INDEX refresh_tokens_user ON admin.refresh_tokens (user_id);
CREATE INDEX refresh_tokens_expires_at ON admin.refresh_tokens (expires_at);
