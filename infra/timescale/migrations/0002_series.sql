-- Readings and scores: wide rows, a partition a day, made by storage as rows need them.

CREATE TABLE readings (
    wearer_id uuid NOT NULL,
    time timestamptz NOT NULL,
    stream_id bigint NOT NULL,
    received timestamptz NOT NULL,
    utc_offset_min smallint,
    clock_offset_ms integer NOT NULL,
    cell bigint,
    origin smallint NOT NULL,
    injected boolean NOT NULL,
    backfill boolean NOT NULL,
    quality real,
    worn boolean,
    firmware text,
    heart_rate real,
    hrv_rmssd real,
    hrv_sdnn real,
    spo2 real,
    respiratory_rate real,
    skin_temperature real,
    body_temperature real,
    acceleration real,
    motion real,
    steps real,
    hrv_window_s real,
    ibi real[],
    PRIMARY KEY (wearer_id, time, stream_id)
) PARTITION BY RANGE (time);

CREATE TABLE scores (
    wearer_id uuid NOT NULL,
    bin timestamptz NOT NULL,
    bin_ms integer NOT NULL,
    score real,
    tier smallint NOT NULL,
    tier0 boolean NOT NULL,
    tier0_rate real,
    motion real,
    worn boolean,
    at_rest boolean,
    cell bigint,
    model text NOT NULL,
    firmware text,
    readings integer NOT NULL,
    late integer NOT NULL,
    backfill integer NOT NULL,
    received timestamptz NOT NULL,
    value_heart_rate real,
    value_hrv_rmssd real,
    value_hrv_sdnn real,
    value_spo2 real,
    value_respiratory_rate real,
    value_skin_temperature real,
    value_body_temperature real,
    value_acceleration real,
    value_motion real,
    value_steps real,
    z_heart_rate real,
    z_hrv_rmssd real,
    z_hrv_sdnn real,
    z_spo2 real,
    z_respiratory_rate real,
    z_skin_temperature real,
    z_body_temperature real,
    z_acceleration real,
    z_motion real,
    z_steps real,
    expected_heart_rate real,
    expected_hrv_rmssd real,
    expected_hrv_sdnn real,
    expected_spo2 real,
    expected_respiratory_rate real,
    expected_skin_temperature real,
    expected_body_temperature real,
    expected_acceleration real,
    expected_motion real,
    expected_steps real,
    PRIMARY KEY (wearer_id, bin)
) PARTITION BY RANGE (bin);

-- One row a writer and episode; a write applies only where its revision is higher.
CREATE TABLE episodes (
    episode_id uuid NOT NULL,
    writer text NOT NULL,
    revision bigint NOT NULL,
    subject text NOT NULL,
    wearer_id uuid,
    condition text NOT NULL,
    type text NOT NULL,
    phase text NOT NULL,
    tier smallint NOT NULL,
    onset timestamptz NOT NULL,
    changed timestamptz NOT NULL,
    ended timestamptz,
    state jsonb NOT NULL,
    PRIMARY KEY (episode_id, writer)
);
CREATE INDEX episodes_wearer ON episodes (wearer_id, onset DESC);
CREATE INDEX episodes_open ON episodes (wearer_id) WHERE phase <> 'ended';

CREATE TABLE baselines (
    wearer_id uuid NOT NULL,
    vital text NOT NULL,
    centre real NOT NULL,
    scale real NOT NULL,
    weight_s real NOT NULL,
    updated timestamptz NOT NULL,
    PRIMARY KEY (wearer_id, vital)
);

-- Where every family stands in the log, and the state of those whose rows are not their state.
CREATE TABLE processor_state (
    family text NOT NULL,
    topic text NOT NULL,
    partition integer NOT NULL,
    cluster_id text NOT NULL,
    next_offset bigint NOT NULL,
    clock_ms bigint NOT NULL,
    version text NOT NULL,
    digest bytea,
    blob bytea,
    saved_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (family, topic, partition)
);
