-- Times are milliseconds since the Unix epoch. Object ids and KEK ids are 16 bytes. No version id is ''.

-- `seq` grows with every recording. Rows stand in the order of listings, so that a page of one is read from neighbouring pages and
-- a recording changes one. The part table stands last: it may be megabytes, and a listing never reads it.
CREATE TABLE objects (
    bucket         TEXT    NOT NULL,
    key            TEXT    NOT NULL,
    version_id     TEXT    NOT NULL,
    seq            INTEGER NOT NULL,
    backend_etag   TEXT    NOT NULL,
    principal      TEXT,
    recorded_at_ms INTEGER NOT NULL,
    scrub          TEXT    NOT NULL,
    oid            BLOB    NOT NULL,
    kek_id         BLOB    NOT NULL,
    -- The SUMMARY of docs/format.md. It begins with the plaintext length: no object has 2^63 bytes.
    facts          BLOB    NOT NULL CHECK (length(facts) = 128 AND facts < x'80'),
    parts          BLOB    NOT NULL, -- rows of the TABLE, 128 bytes a part
    PRIMARY KEY (bucket, key, version_id)
) STRICT, WITHOUT ROWID;
-- Listings without version ids: where there are no versions, the one row of the key is it.
CREATE INDEX objects_by_backend_etag ON objects (bucket, key, backend_etag) WHERE version_id <> '';

-- As many rows as there are writes under way, and what crashes left: no index, so that a write changes one page. While the process
-- lives the id of a dropped intent is never given out again, so settling an old one cannot hit a new one.
CREATE TABLE intents (
    id            INTEGER PRIMARY KEY,
    bucket        TEXT    NOT NULL,
    key           TEXT    NOT NULL,
    oid           BLOB    NOT NULL,
    principal     TEXT,
    operation     TEXT    NOT NULL,
    request_id    TEXT    NOT NULL,
    started_at_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE lineage (
    seq            INTEGER PRIMARY KEY,
    source_bucket  TEXT    NOT NULL,
    source_key     TEXT    NOT NULL,
    source_version TEXT    NOT NULL,
    source_etag    TEXT    NOT NULL,
    target_bucket  TEXT    NOT NULL,
    target_key     TEXT    NOT NULL,
    target_version TEXT    NOT NULL,
    operation      TEXT    NOT NULL,
    at_ms          INTEGER NOT NULL
) STRICT;
CREATE INDEX lineage_by_target ON lineage (target_bucket, target_key, at_ms);

CREATE TABLE uploads (
    oid               BLOB    PRIMARY KEY,
    bucket            TEXT    NOT NULL,
    key               TEXT    NOT NULL,
    backend_upload_id TEXT    NOT NULL,
    upload_id         TEXT    NOT NULL,
    principal         TEXT,
    started_at_ms     INTEGER NOT NULL
) STRICT;
CREATE INDEX uploads_by_backend_id ON uploads (bucket, backend_upload_id);
CREATE INDEX uploads_by_age ON uploads (started_at_ms);

-- Not tied to `uploads`: an upload that began before this file was made still records its parts here.
CREATE TABLE part_attempts (
    seq          INTEGER PRIMARY KEY,
    oid          BLOB    NOT NULL,
    number       INTEGER NOT NULL CHECK (number BETWEEN 1 AND 10000),
    backend_etag TEXT    NOT NULL,
    stash        TEXT,
    entry        BLOB    NOT NULL, -- 128 bytes, a row of objects.parts
    at_ms        INTEGER NOT NULL,
    UNIQUE (oid, number, backend_etag)
) STRICT;
CREATE INDEX part_attempts_by_age ON part_attempts (at_ms);

CREATE TABLE keks (
    bucket   TEXT NOT NULL,
    kek_id   BLOB NOT NULL,
    document BLOB NOT NULL,
    PRIMARY KEY (bucket, kek_id)
) STRICT, WITHOUT ROWID;
