-- Community zones: named sets of cells by version, who may see which zone, and how each stood.

CREATE TABLE zones (
    zone_id text NOT NULL CHECK (zone_id ~ '^[a-z0-9][a-z0-9-]{0,63}$' AND zone_id <> 'area'),
    version integer NOT NULL CHECK (version > 0),
    name text NOT NULL,
    -- H3 cells of resolution 8, ascending.
    cells bigint[] NOT NULL CHECK (cardinality(cells) BETWEEN 1 AND 5000),
    made_at timestamptz NOT NULL DEFAULT now(),
    made_by uuid REFERENCES users,
    -- Set in the newest version where the zone is no more.
    withdrawn_at timestamptz,
    PRIMARY KEY (zone_id, version)
);

-- A zone's id may be `area`, which has no definition.
CREATE TABLE zone_grants (
    zone_id text NOT NULL,
    user_id uuid NOT NULL REFERENCES users,
    scopes text[] NOT NULL CHECK (scopes <@ ARRAY['status', 'alerts', 'act']),
    expires_at timestamptz,
    granted_at timestamptz NOT NULL DEFAULT now(),
    granted_by uuid REFERENCES users,
    PRIMARY KEY (zone_id, user_id)
);
CREATE INDEX zone_grants_user ON zone_grants (user_id);
CREATE TRIGGER zones_access AFTER INSERT OR UPDATE OR DELETE ON zones
    FOR EACH STATEMENT EXECUTE FUNCTION raise_access_version();
CREATE TRIGGER zone_grants_access AFTER INSERT OR UPDATE OR DELETE ON zone_grants
    FOR EACH STATEMENT EXECUTE FUNCTION raise_access_version();

-- One row a zone and bin of five minutes: what `zones.v1` told last of it.
CREATE TABLE zone_status (
    zone_id text NOT NULL,
    bin timestamptz NOT NULL,
    revision bigint NOT NULL,
    body jsonb NOT NULL,
    PRIMARY KEY (zone_id, bin)
);
CREATE INDEX zone_status_bin ON zone_status (bin);

CREATE INDEX alerts_zone ON alerts (subject, raised DESC, alert_id) WHERE wearer_id IS NULL;
