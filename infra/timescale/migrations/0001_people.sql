-- People, devices, and who may see whom. Tokens are random and stored as SHA-256 only.

CREATE TABLE system (
    key text PRIMARY KEY,
    value text NOT NULL
);

CREATE TABLE users (
    user_id uuid PRIMARY KEY,
    name text NOT NULL,
    email text,
    role text NOT NULL DEFAULT 'carer' CHECK (role IN ('admin', 'carer')),
    created_at timestamptz NOT NULL DEFAULT now(),
    disabled_at timestamptz
);

CREATE TABLE user_tokens (
    token_sha256 bytea PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users,
    kind text NOT NULL CHECK (kind IN ('api', 'web')),
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz,
    revoked_at timestamptz
);
CREATE INDEX user_tokens_user ON user_tokens (user_id);

CREATE TABLE sign_in_codes (
    code_sha256 bytea PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users,
    expires_at timestamptz NOT NULL,
    used_at timestamptz
);

CREATE TABLE wearers (
    wearer_id uuid PRIMARY KEY,
    name text NOT NULL,
    timezone text NOT NULL DEFAULT 'UTC',
    profile jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by uuid REFERENCES users
);

CREATE TABLE devices (
    device_id uuid PRIMARY KEY,
    device_number integer GENERATED ALWAYS AS IDENTITY UNIQUE,
    wearer_id uuid NOT NULL REFERENCES wearers,
    model text NOT NULL,
    token_sha256 bytea NOT NULL UNIQUE,
    created_at timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz
);
CREATE INDEX devices_wearer ON devices (wearer_id);

CREATE TABLE grants (
    wearer_id uuid NOT NULL REFERENCES wearers,
    user_id uuid NOT NULL REFERENCES users,
    scopes text[] NOT NULL CHECK (scopes <@ ARRAY['readings', 'scores', 'alerts', 'act']),
    expires_at timestamptz,
    granted_at timestamptz NOT NULL DEFAULT now(),
    granted_by uuid REFERENCES users,
    PRIMARY KEY (wearer_id, user_id)
);
CREATE INDEX grants_user ON grants (user_id);

-- One number that moves with every change of who may see what: gateway and API poll it instead of whole tables.
CREATE TABLE access_version (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    version bigint NOT NULL
);
INSERT INTO access_version (version) VALUES (1);

CREATE FUNCTION raise_access_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE access_version SET version = version + 1;
    RETURN NULL;
END
$$;
CREATE TRIGGER users_access AFTER INSERT OR UPDATE OR DELETE ON users
    FOR EACH STATEMENT EXECUTE FUNCTION raise_access_version();
CREATE TRIGGER user_tokens_access AFTER INSERT OR UPDATE OR DELETE ON user_tokens
    FOR EACH STATEMENT EXECUTE FUNCTION raise_access_version();
CREATE TRIGGER devices_access AFTER INSERT OR UPDATE OR DELETE ON devices
    FOR EACH STATEMENT EXECUTE FUNCTION raise_access_version();
CREATE TRIGGER grants_access AFTER INSERT OR UPDATE OR DELETE ON grants
    FOR EACH STATEMENT EXECUTE FUNCTION raise_access_version();

CREATE TABLE audit (
    audit_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now(),
    user_id uuid,
    action text NOT NULL,
    subject text,
    detail jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX audit_subject ON audit (subject, at);
