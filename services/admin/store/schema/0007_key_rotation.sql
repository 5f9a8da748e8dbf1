-- Signing keys follow one another.

ALTER TABLE admin.signing_keys
    ADD COLUMN activates_at timestamptz,
    ADD COLUMN retires_at   timestamptz;
UPDATE admin.signing_keys SET activates_at = created_at;
ALTER TABLE admin.signing_keys ALTER COLUMN activates_at SET NOT NULL;
COMMENT ON COLUMN admin.signing_keys.activates_at IS 'next: not before then; else when it began to sign.';
COMMENT ON COLUMN admin.signing_keys.retires_at IS 'retiring: published until then.';
