-- Alerts: present state, an append-only history, the answers to commands, and what waits to be published.

CREATE TABLE alerts (
    alert_id uuid PRIMARY KEY,
    episode_id uuid NOT NULL,
    revision bigint NOT NULL,
    subject text NOT NULL,
    wearer_id uuid,
    kind text NOT NULL,
    type text NOT NULL,
    priority text NOT NULL CHECK (priority IN ('high', 'medium', 'low')),
    condition text NOT NULL CHECK (condition IN ('active', 'cleared')),
    response text NOT NULL CHECK (response IN ('unseen', 'seen', 'acknowledged', 'resolved')),
    onset timestamptz NOT NULL,
    raised timestamptz NOT NULL,
    cleared timestamptz,
    state jsonb NOT NULL,
    -- Per writer, the revision of the episode that this alert last took in.
    episode_revisions jsonb NOT NULL DEFAULT '{}'
);
CREATE UNIQUE INDEX alerts_one_uncleared ON alerts (subject, kind) WHERE condition = 'active';
CREATE INDEX alerts_wearer ON alerts (wearer_id, raised DESC, alert_id);
CREATE INDEX alerts_raised ON alerts (raised DESC, alert_id);

CREATE TABLE alert_events (
    alert_id uuid NOT NULL REFERENCES alerts,
    number integer NOT NULL,
    kind text NOT NULL,
    at timestamptz NOT NULL,
    by_user uuid,
    by_name text,
    note text,
    outcome text,
    command_id uuid,
    PRIMARY KEY (alert_id, number)
);
CREATE UNIQUE INDEX alert_events_command ON alert_events (command_id) WHERE command_id IS NOT NULL;
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'alert_events is append-only';
END
$$;
CREATE TRIGGER alert_events_append_only BEFORE UPDATE OR DELETE ON alert_events
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER alert_events_keep_all BEFORE TRUNCATE ON alert_events
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TABLE command_results (
    command_id uuid PRIMARY KEY,
    number bigint GENERATED ALWAYS AS IDENTITY,
    alert_id uuid NOT NULL,
    status text NOT NULL CHECK (status IN ('done', 'refused')),
    detail text,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    -- The command itself, where it came before its alert: replayed topics do not keep the order between them.
    early jsonb
);
CREATE INDEX command_results_early ON command_results (alert_id) WHERE early IS NOT NULL;

CREATE TABLE outbox (
    outbox_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic text NOT NULL,
    partition integer NOT NULL,
    key bytea,
    value bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    published_at timestamptz
);
CREATE INDEX outbox_waiting ON outbox (partition, outbox_id) WHERE published_at IS NULL;
CREATE INDEX outbox_published ON outbox (published_at) WHERE published_at IS NOT NULL;

-- Alert revisions are this number x 2^32 and what follows; restoring a backup raises it, so that revisions still rise.
INSERT INTO system (key, value) VALUES ('care_generation', '1');
