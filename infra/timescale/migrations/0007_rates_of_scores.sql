-- What a wearer was promised, and what came: alerts a day at most, alerts a day so far, and over how many days.
-- Null where the model keeps no count, and in every row from before.

ALTER TABLE scores
    ADD COLUMN promised_rate real,
    ADD COLUMN realised_rate real,
    ADD COLUMN rate_days real;
