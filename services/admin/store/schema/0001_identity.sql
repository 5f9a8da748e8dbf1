-- Who may ask for tokens, and the keys that sign them.

COMMENT ON SCHEMA admin IS 'Admin''s own tables. Others read views made for them, such as query_v1.';

CREATE TABLE admin.service_accounts (
    id                uuid PRIMARY KEY,
    client_id         text NOT NULL UNIQUE,
    name              text NOT NULL,
    secret_sha256     bytea NOT NULL CHECK (length(secret_sha256) = 32),
    secret_expires_at timestamptz,
    scopes            text[] NOT NULL,
    status            text NOT NULL CHECK (status IN ('active', 'disabled')),
    is_system         boolean NOT NULL DEFAULT false,
    created_at        timestamptz NOT NULL
);
COMMENT ON COLUMN admin.service_accounts.secret_sha256 IS 'Secrets are 256 random bits, so a plain hash suffices.';
COMMENT ON COLUMN admin.service_accounts.secret_expires_at IS 'NULL: never.';

-- There is one system account; whichever replica starts first makes it.
CREATE UNIQUE INDEX service_accounts_one_system ON admin.service_accounts (is_system) WHERE is_system;

CREATE FUNCTION admin.keep_system_account() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the system account cannot be deleted' USING ERRCODE = 'restrict_violation';
END
$$;
CREATE TRIGGER keep_system_account BEFORE DELETE ON admin.service_accounts
    FOR EACH ROW WHEN (OLD.is_system) EXECUTE FUNCTION admin.keep_system_account();

CREATE TABLE admin.users (
    id            uuid PRIMARY KEY,
    username      text NOT NULL,
    password_hash text NOT NULL,
    role          text NOT NULL CHECK (role IN ('admin', 'readonly')),
    status        text NOT NULL CHECK (status IN ('active', 'locked', 'disabled')),
    created_at    timestamptz NOT NULL
);
COMMENT ON COLUMN admin.users.password_hash IS 'argon2id, PHC string format.';

CREATE UNIQUE INDEX users_username ON admin.users (lower(username));

CREATE TABLE admin.signing_keys (
    kid         text PRIMARY KEY,
    algorithm   text NOT NULL CHECK (algorithm = 'RS256'),
    state       text NOT NULL CHECK (state IN ('next', 'active', 'retiring', 'retired')),
    public_jwk  jsonb NOT NULL,
    private_key bytea,
    created_at  timestamptz NOT NULL,
    CHECK (private_key IS NOT NULL OR state IN ('retiring', 'retired'))
);
COMMENT ON COLUMN admin.signing_keys.state IS
    'next: published, not signing yet; active: signs; retiring: still verifies; retired: of no use any more.';
COMMENT ON COLUMN admin.signing_keys.private_key IS 'PKCS #8 (DER), sealed with AES-256-GCM; never in clear.';

-- One key signs and at most one waits; whichever replica is first makes it.
CREATE UNIQUE INDEX signing_keys_one_active ON admin.signing_keys (state) WHERE state = 'active';
CREATE UNIQUE INDEX signing_keys_one_next ON admin.signing_keys (state) WHERE state = 'next';
