-- From where the writer asked, in the form of RFC 5952 or as 192.0.2.1. NULL where that is not known, and in rows of before. Behind the
-- part table of a record, so it is read only with that.
ALTER TABLE intents ADD COLUMN client TEXT;
ALTER TABLE objects ADD COLUMN client TEXT;
