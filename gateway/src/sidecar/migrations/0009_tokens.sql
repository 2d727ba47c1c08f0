-- Short tokens of the vault of a bucket: in which batch of the system bucket the value is, and a keyed digest of that. Never the value.
-- NULL and zeros: two batches say different things of it, so nobody can tell what it stands for.
CREATE TABLE tokens (
    bucket TEXT NOT NULL,
    token  TEXT NOT NULL,
    tag    BLOB NOT NULL CHECK (length(tag) = 16),
    batch  BLOB CHECK (length(batch) = 16),
    PRIMARY KEY (bucket, token)
) STRICT, WITHOUT ROWID;
-- Batches whose tokens are there.
CREATE TABLE token_batches (
    bucket TEXT NOT NULL,
    id     BLOB NOT NULL CHECK (length(id) = 16),
    PRIMARY KEY (bucket, id)
) STRICT, WITHOUT ROWID;
