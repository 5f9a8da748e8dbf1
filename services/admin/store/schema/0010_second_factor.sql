-- People may have a second factor: a secret that their device shares (RFC 6238), and recovery codes.

ALTER TABLE admin.users
    ADD COLUMN totp_secret       bytea,
    ADD COLUMN totp_enrolled_at  timestamptz,
    ADD COLUMN totp_confirmed_at timestamptz,
    ADD COLUMN totp_last_step    bigint NOT NULL DEFAULT 0,
    ADD CHECK ((totp_secret IS NULL) = (totp_enrolled_at IS NULL)),
    ADD CHECK (totp_confirmed_at IS NULL OR totp_secret IS NOT NULL);
COMMENT ON COLUMN admin.users.totp_secret IS 'Sealed with AES-256-GCM; never in clear.';
COMMENT ON COLUMN admin.users.totp_confirmed_at IS 'NULL: it does not count yet.';
COMMENT ON COLUMN admin.users.totp_last_step IS 'The last code''s; a code of this step or an older one is used up.';

CREATE TABLE admin.recovery_codes (
    user_id     uuid NOT NULL REFERENCES admin.users ON DELETE CASCADE,
    code_sha256 bytea NOT NULL CHECK (length(code_sha256) = 32),
    PRIMARY KEY (user_id, code_sha256)
);
COMMENT ON TABLE admin.recovery_codes IS 'Each is good for one login; 80 random bits, so a plain hash suffices.';
