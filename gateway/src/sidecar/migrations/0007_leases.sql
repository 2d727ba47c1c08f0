-- Who does a job that only one may do at a time, and until when nobody else does. One whose holder is gone lapses.
CREATE TABLE leases (
    name     TEXT    PRIMARY KEY,
    holder   BLOB    NOT NULL CHECK (length(holder) = 16),
    until_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
