-- The same tables and names as hypertables, compressed after 7 days, with sums of each minute and hour kept up to date.
-- This variant is chosen for an empty database alone, so there are no rows to move.

CREATE TABLE readings_hypertable (LIKE readings INCLUDING ALL);
DROP TABLE readings;
ALTER TABLE readings_hypertable RENAME TO readings;
ALTER INDEX readings_hypertable_pkey RENAME TO readings_pkey;
SELECT create_hypertable('readings', by_range('time', INTERVAL '1 day'), create_default_indexes => false);
ALTER TABLE readings SET (
    timescaledb.enable_columnstore,
    timescaledb.segmentby = 'wearer_id',
    timescaledb.orderby = 'time DESC, stream_id DESC'
);
CALL add_columnstore_policy('readings', after => INTERVAL '7 days');

CREATE TABLE scores_hypertable (LIKE scores INCLUDING ALL);
DROP TABLE scores;
ALTER TABLE scores_hypertable RENAME TO scores;
ALTER INDEX scores_hypertable_pkey RENAME TO scores_pkey;
SELECT create_hypertable('scores', by_range('bin', INTERVAL '1 day'), create_default_indexes => false);
ALTER TABLE scores SET (
    timescaledb.enable_columnstore,
    timescaledb.segmentby = 'wearer_id',
    timescaledb.orderby = 'bin DESC'
);
CALL add_columnstore_policy('scores', after => INTERVAL '7 days');

CREATE MATERIALIZED VIEW readings_1m
WITH (timescaledb.continuous, timescaledb.materialized_only = false, timescaledb.chunk_interval = '1 day') AS
SELECT wearer_id, time_bucket(INTERVAL '1 minute', time) AS bucket, stream_id,
    count(*) AS readings,
    count(*) FILTER (WHERE injected) AS injected,
    count(*) FILTER (WHERE origin = 1) AS replayed,
    count(*) FILTER (WHERE origin = 2) AS simulated,
    sum(heart_rate::double precision) AS heart_rate_sum, count(heart_rate) AS heart_rate_count, min(heart_rate) AS heart_rate_min, max(heart_rate) AS heart_rate_max,
    sum(hrv_rmssd::double precision) AS hrv_rmssd_sum, count(hrv_rmssd) AS hrv_rmssd_count, min(hrv_rmssd) AS hrv_rmssd_min, max(hrv_rmssd) AS hrv_rmssd_max,
    sum(hrv_sdnn::double precision) AS hrv_sdnn_sum, count(hrv_sdnn) AS hrv_sdnn_count, min(hrv_sdnn) AS hrv_sdnn_min, max(hrv_sdnn) AS hrv_sdnn_max,
    sum(spo2::double precision) AS spo2_sum, count(spo2) AS spo2_count, min(spo2) AS spo2_min, max(spo2) AS spo2_max,
    sum(respiratory_rate::double precision) AS respiratory_rate_sum, count(respiratory_rate) AS respiratory_rate_count, min(respiratory_rate) AS respiratory_rate_min, max(respiratory_rate) AS respiratory_rate_max,
    sum(skin_temperature::double precision) AS skin_temperature_sum, count(skin_temperature) AS skin_temperature_count, min(skin_temperature) AS skin_temperature_min, max(skin_temperature) AS skin_temperature_max,
    sum(body_temperature::double precision) AS body_temperature_sum, count(body_temperature) AS body_temperature_count, min(body_temperature) AS body_temperature_min, max(body_temperature) AS body_temperature_max,
    sum(acceleration::double precision) AS acceleration_sum, count(acceleration) AS acceleration_count, min(acceleration) AS acceleration_min, max(acceleration) AS acceleration_max,
    sum(motion::double precision) AS motion_sum, count(motion) AS motion_count, min(motion) AS motion_min, max(motion) AS motion_max,
    sum(steps::double precision) AS steps_sum, count(steps) AS steps_count
FROM readings
GROUP BY wearer_id, time_bucket(INTERVAL '1 minute', time), stream_id
WITH NO DATA;

CREATE MATERIALIZED VIEW readings_1h
WITH (timescaledb.continuous, timescaledb.materialized_only = false, timescaledb.chunk_interval = '1 day') AS
SELECT wearer_id, time_bucket(INTERVAL '1 hour', bucket) AS bucket, stream_id,
    sum(readings)::bigint AS readings,
    sum(injected)::bigint AS injected,
    sum(replayed)::bigint AS replayed,
    sum(simulated)::bigint AS simulated,
    sum(heart_rate_sum) AS heart_rate_sum, sum(heart_rate_count)::bigint AS heart_rate_count, min(heart_rate_min) AS heart_rate_min, max(heart_rate_max) AS heart_rate_max,
    sum(hrv_rmssd_sum) AS hrv_rmssd_sum, sum(hrv_rmssd_count)::bigint AS hrv_rmssd_count, min(hrv_rmssd_min) AS hrv_rmssd_min, max(hrv_rmssd_max) AS hrv_rmssd_max,
    sum(hrv_sdnn_sum) AS hrv_sdnn_sum, sum(hrv_sdnn_count)::bigint AS hrv_sdnn_count, min(hrv_sdnn_min) AS hrv_sdnn_min, max(hrv_sdnn_max) AS hrv_sdnn_max,
    sum(spo2_sum) AS spo2_sum, sum(spo2_count)::bigint AS spo2_count, min(spo2_min) AS spo2_min, max(spo2_max) AS spo2_max,
    sum(respiratory_rate_sum) AS respiratory_rate_sum, sum(respiratory_rate_count)::bigint AS respiratory_rate_count, min(respiratory_rate_min) AS respiratory_rate_min, max(respiratory_rate_max) AS respiratory_rate_max,
    sum(skin_temperature_sum) AS skin_temperature_sum, sum(skin_temperature_count)::bigint AS skin_temperature_count, min(skin_temperature_min) AS skin_temperature_min, max(skin_temperature_max) AS skin_temperature_max,
    sum(body_temperature_sum) AS body_temperature_sum, sum(body_temperature_count)::bigint AS body_temperature_count, min(body_temperature_min) AS body_temperature_min, max(body_temperature_max) AS body_temperature_max,
    sum(acceleration_sum) AS acceleration_sum, sum(acceleration_count)::bigint AS acceleration_count, min(acceleration_min) AS acceleration_min, max(acceleration_max) AS acceleration_max,
    sum(motion_sum) AS motion_sum, sum(motion_count)::bigint AS motion_count, min(motion_min) AS motion_min, max(motion_max) AS motion_max,
    sum(steps_sum) AS steps_sum, sum(steps_count)::bigint AS steps_count
FROM readings_1m
GROUP BY wearer_id, time_bucket(INTERVAL '1 hour', bucket), stream_id
WITH NO DATA;

ALTER MATERIALIZED VIEW readings_1m SET (
    timescaledb.enable_columnstore,
    timescaledb.segmentby = 'wearer_id',
    timescaledb.orderby = 'bucket DESC, stream_id DESC'
);
ALTER MATERIALIZED VIEW readings_1h SET (
    timescaledb.enable_columnstore,
    timescaledb.segmentby = 'wearer_id',
    timescaledb.orderby = 'bucket DESC, stream_id DESC'
);
CALL add_columnstore_policy('readings_1m', after => INTERVAL '7 days');
CALL add_columnstore_policy('readings_1h', after => INTERVAL '7 days');

-- No start: a reading of any age changes its minute and its hour, however late it comes.
SELECT add_continuous_aggregate_policy('readings_1m', start_offset => NULL, end_offset => INTERVAL '1 minute',
    schedule_interval => INTERVAL '1 minute');
SELECT add_continuous_aggregate_policy('readings_1h', start_offset => NULL, end_offset => INTERVAL '1 hour',
    schedule_interval => INTERVAL '5 minutes');
