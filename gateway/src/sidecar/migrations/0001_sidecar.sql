-- Times are milliseconds since the Unix epoch. Object ids and KEK ids are 16 bytes. No version id is ''.

-- `seq` grows with every recording. The part table stands last: it may be megabytes, and a listing never reads it.
CREATE TABLE objects (
    seq                INTEGER PRIMARY KEY,
    bucket             TEXT    NOT NULL,
    key                TEXT    NOT NULL,
    version_id         TEXT    NOT NULL,
    backend_etag       TEXT    NOT NULL,
    oid                BLOB    NOT NULL,
    kek_id             BLOB    NOT NULL,
    length             INTEGER NOT NULL CHECK (length >= 0),
    etag_kind          INTEGER NOT NULL, -- 1 MD5, 2 multipart, 3 opaque
    etag               BLOB    NOT NULL,
    checksum_algorithm INTEGER,          -- 1 CRC-32, 2 CRC-32C, 3 CRC-64/NVME, 4 SHA-1, 5 SHA-256
    checksum_kind      INTEGER,          -- 1 full object, 2 composite
    checksum           BLOB,
    part_count         INTEGER NOT NULL CHECK (part_count BETWEEN 1 AND 10000),
    first_number       INTEGER NOT NULL, -- part number of the first part
    first_prefix       BLOB    NOT NULL, -- salt (24) and commitment (32) of the first part
    principal          TEXT,
    recorded_at_ms     INTEGER NOT NULL,
    scrub              TEXT    NOT NULL,
    parts              BLOB    NOT NULL, -- 128 bytes a part
    UNIQUE (bucket, key, version_id)
) STRICT;
CREATE INDEX objects_by_backend_etag ON objects (bucket, key, backend_etag);

-- AUTOINCREMENT: the id of a dropped intent is never given out again, so settling an old one cannot hit a new one.
CREATE TABLE intents (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    bucket        TEXT    NOT NULL,
    key           TEXT    NOT NULL,
    oid           BLOB    NOT NULL,
    principal     TEXT,
    operation     TEXT    NOT NULL,
    request_id    TEXT    NOT NULL,
    started_at_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX intents_by_age ON intents (started_at_ms);

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
    entry        BLOB    NOT NULL, -- 128 bytes, as in objects.parts
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
