-- What the client of an upload was answered to its Complete, for a day: it may ask again, when the object is overwritten or deleted already.
CREATE TABLE completions (
    oid     BLOB    PRIMARY KEY,
    at_ms   INTEGER NOT NULL,
    headers TEXT    NOT NULL, -- a JSON array of [name, value]
    body    BLOB    NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX completions_by_age ON completions (at_ms);
