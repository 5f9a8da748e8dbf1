-- Service accounts are changed at run time: a second secret while the first is being replaced, and when each was used.

ALTER TABLE admin.service_accounts
    ADD COLUMN description                 text NOT NULL DEFAULT '',
    ADD COLUMN previous_secret_sha256      bytea CHECK (length(previous_secret_sha256) = 32),
    ADD COLUMN previous_secret_valid_until timestamptz,
    ADD COLUMN last_used_at                timestamptz,
    ADD CHECK ((previous_secret_sha256 IS NULL) = (previous_secret_valid_until IS NULL));
COMMENT ON COLUMN admin.service_accounts.last_used_at IS 'To the minute; NULL: never.';

-- Listings go by name in the order of code points, whatever the database's locale says.
CREATE INDEX service_accounts_by_name ON admin.service_accounts (name COLLATE "C", id);
