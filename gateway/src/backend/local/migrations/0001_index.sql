-- The index of the embedded backend: what is stored under which name. Bytes are in files; see `blobs.rs`.

CREATE TABLE buckets (
    name       TEXT    PRIMARY KEY NOT NULL,
    region     TEXT    NOT NULL,
    created_ms INTEGER NOT NULL,
    versioning TEXT    NOT NULL,          -- '' never versioned, 'Enabled', 'Suspended'
    tags       TEXT                       -- JSON [[key, value], …]
) WITHOUT ROWID;

-- Every version of every object, delete markers among them. A greater seq is newer.
CREATE TABLE versions (
    seq           INTEGER PRIMARY KEY NOT NULL,
    bucket        TEXT    NOT NULL,
    key           BLOB    NOT NULL,       -- UTF-8, ordered bytewise as S3 does
    version_id    TEXT    NOT NULL,       -- 'null' outside of versioning
    latest        INTEGER NOT NULL,
    marker        INTEGER NOT NULL,       -- 1: a delete marker
    size          INTEGER NOT NULL,
    etag          TEXT    NOT NULL,       -- without quotes
    modified_ms   INTEGER NOT NULL,
    headers       BLOB    NOT NULL,       -- lines of name:value, as the client sent them
    parts         INTEGER NOT NULL,       -- 0: not a multipart upload
    checksum      TEXT,                   -- 'CRC32 FULL_OBJECT base64'
    tags          TEXT,
    storage_class TEXT    NOT NULL
);
CREATE INDEX versions_by_key ON versions (bucket, key, seq DESC);
CREATE UNIQUE INDEX versions_by_id ON versions (bucket, key, version_id);
CREATE INDEX versions_live ON versions (bucket, key) WHERE latest = 1 AND marker = 0;

CREATE TABLE uploads (
    seq                INTEGER PRIMARY KEY NOT NULL,
    id                 TEXT    NOT NULL UNIQUE,
    bucket             TEXT    NOT NULL,
    key                BLOB    NOT NULL,
    started_ms         INTEGER NOT NULL,
    headers            BLOB    NOT NULL,
    tags               TEXT,
    storage_class      TEXT    NOT NULL,
    checksum_algorithm TEXT,
    checksum_type      TEXT
);
CREATE INDEX uploads_by_key ON uploads (bucket, key, seq);

CREATE TABLE parts (
    seq         INTEGER PRIMARY KEY NOT NULL,
    upload      INTEGER NOT NULL,         -- uploads.seq
    number      INTEGER NOT NULL,
    size        INTEGER NOT NULL,
    etag        TEXT    NOT NULL,
    checksum    TEXT,
    modified_ms INTEGER NOT NULL
);
CREATE UNIQUE INDEX parts_by_number ON parts (upload, number);

-- The bytes of a version or a part (owner is the seq of either, drawn from one sequence): slices of blobs, in order of n.
-- The rows that name a blob are its reference count; at none it is unlinked.
CREATE TABLE extents (
    owner  INTEGER NOT NULL,
    n      INTEGER NOT NULL,
    part   INTEGER NOT NULL,
    blob   BLOB    NOT NULL,
    start  INTEGER NOT NULL,
    length INTEGER NOT NULL,
    PRIMARY KEY (owner, n)
) WITHOUT ROWID;
CREATE INDEX extents_by_blob ON extents (blob);
