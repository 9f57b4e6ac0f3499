-- The day (UTC) of each wearer's newest reading, and of the newest value of each vital: who asks for the latest goes
-- straight to those days. A trigger keeps them, so that they are right whichever release writes, with late readings and
-- restored copies too; a row changes about once a day. Days that retention has dropped may stay named here.

CREATE TABLE newest_days (
    wearer_id uuid PRIMARY KEY,
    reading date NOT NULL,
    heart_rate date,
    hrv_rmssd date,
    hrv_sdnn date,
    spo2 date,
    respiratory_rate date,
    skin_temperature date,
    body_temperature date,
    acceleration date,
    motion date,
    steps date
);

CREATE FUNCTION remember_newest_days() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO newest_days AS kept (wearer_id,
        reading, heart_rate, hrv_rmssd, hrv_sdnn, spo2, respiratory_rate, skin_temperature, body_temperature,
        acceleration, motion, steps
    )
    SELECT seen.* FROM (
        SELECT wearer_id, max(day) AS reading,
            max(day) FILTER (WHERE heart_rate > 0) AS heart_rate,
            max(day) FILTER (WHERE hrv_rmssd > 0) AS hrv_rmssd,
            max(day) FILTER (WHERE hrv_sdnn > 0) AS hrv_sdnn,
            max(day) FILTER (WHERE spo2 > 0) AS spo2,
            max(day) FILTER (WHERE respiratory_rate > 0) AS respiratory_rate,
            max(day) FILTER (WHERE skin_temperature > 0) AS skin_temperature,
            max(day) FILTER (WHERE body_temperature > 0) AS body_temperature,
            max(day) FILTER (WHERE acceleration > 0) AS acceleration,
            max(day) FILTER (WHERE motion > 0) AS motion,
            max(day) FILTER (WHERE steps > 0) AS steps
        FROM (
            -- Counted first: to count values is cheap, and nearly always there is one day.
            SELECT wearer_id, (date_bin('1 day', time, '2000-01-01T00:00:00Z') AT TIME ZONE 'UTC')::date AS day,
                count(heart_rate) AS heart_rate, count(hrv_rmssd) AS hrv_rmssd, count(hrv_sdnn) AS hrv_sdnn,
                count(spo2) AS spo2, count(respiratory_rate) AS respiratory_rate,
                count(skin_temperature) AS skin_temperature, count(body_temperature) AS body_temperature,
                count(acceleration) AS acceleration, count(motion) AS motion, count(steps) AS steps
            FROM written GROUP BY wearer_id, date_bin('1 day', time, '2000-01-01T00:00:00Z')
        ) AS by_day GROUP BY wearer_id
    ) AS seen LEFT JOIN newest_days AS known USING (wearer_id)
    WHERE known.wearer_id IS NULL OR seen.reading > known.reading
        OR seen.heart_rate > coalesce(known.heart_rate, '-infinity')
        OR seen.hrv_rmssd > coalesce(known.hrv_rmssd, '-infinity')
        OR seen.hrv_sdnn > coalesce(known.hrv_sdnn, '-infinity')
        OR seen.spo2 > coalesce(known.spo2, '-infinity')
        OR seen.respiratory_rate > coalesce(known.respiratory_rate, '-infinity')
        OR seen.skin_temperature > coalesce(known.skin_temperature, '-infinity')
        OR seen.body_temperature > coalesce(known.body_temperature, '-infinity')
        OR seen.acceleration > coalesce(known.acceleration, '-infinity')
        OR seen.motion > coalesce(known.motion, '-infinity')
        OR seen.steps > coalesce(known.steps, '-infinity')
    ORDER BY wearer_id
    ON CONFLICT (wearer_id) DO UPDATE SET
        reading = greatest(kept.reading, excluded.reading),
        heart_rate = greatest(kept.heart_rate, excluded.heart_rate),
        hrv_rmssd = greatest(kept.hrv_rmssd, excluded.hrv_rmssd),
        hrv_sdnn = greatest(kept.hrv_sdnn, excluded.hrv_sdnn),
        spo2 = greatest(kept.spo2, excluded.spo2),
        respiratory_rate = greatest(kept.respiratory_rate, excluded.respiratory_rate),
        skin_temperature = greatest(kept.skin_temperature, excluded.skin_temperature),
        body_temperature = greatest(kept.body_temperature, excluded.body_temperature),
        acceleration = greatest(kept.acceleration, excluded.acceleration),
        motion = greatest(kept.motion, excluded.motion),
        steps = greatest(kept.steps, excluded.steps);
    RETURN NULL;
END
$$;

CREATE TRIGGER readings_insert_newest_days AFTER INSERT ON readings REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION remember_newest_days();
CREATE TRIGGER readings_update_newest_days AFTER UPDATE ON readings REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION remember_newest_days();

-- What is stored already: as before, newest values are looked for among a wearer's newest 600 readings.
INSERT INTO newest_days (wearer_id,
    reading, heart_rate, hrv_rmssd, hrv_sdnn, spo2, respiratory_rate, skin_temperature, body_temperature,
    acceleration, motion, steps
)
SELECT newest.wearer_id, (max(time) AT TIME ZONE 'UTC')::date,
    (max(time) FILTER (WHERE heart_rate IS NOT NULL) AT TIME ZONE 'UTC')::date,
    (max(time) FILTER (WHERE hrv_rmssd IS NOT NULL) AT TIME ZONE 'UTC')::date,
    (max(time) FILTER (WHERE hrv_sdnn IS NOT NULL) AT TIME ZONE 'UTC')::date,
    (max(time) FILTER (WHERE spo2 IS NOT NULL) AT TIME ZONE 'UTC')::date,
    (max(time) FILTER (WHERE respiratory_rate IS NOT NULL) AT TIME ZONE 'UTC')::date,
    (max(time) FILTER (WHERE skin_temperature IS NOT NULL) AT TIME ZONE 'UTC')::date,
    (max(time) FILTER (WHERE body_temperature IS NOT NULL) AT TIME ZONE 'UTC')::date,
    (max(time) FILTER (WHERE acceleration IS NOT NULL) AT TIME ZONE 'UTC')::date,
    (max(time) FILTER (WHERE motion IS NOT NULL) AT TIME ZONE 'UTC')::date,
    (max(time) FILTER (WHERE steps IS NOT NULL) AT TIME ZONE 'UTC')::date
FROM wearers CROSS JOIN LATERAL (
    SELECT * FROM readings WHERE readings.wearer_id = wearers.wearer_id ORDER BY time DESC, stream_id DESC LIMIT 600
) AS newest
GROUP BY newest.wearer_id;
