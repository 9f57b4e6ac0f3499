-- Who writes readings now tells the newest days itself, and only when one is new: the triggers looked at every row of
-- every write for a change that comes about once a day.

DROP TRIGGER readings_insert_newest_days ON readings;
DROP TRIGGER readings_update_newest_days ON readings;
DROP FUNCTION remember_newest_days();
