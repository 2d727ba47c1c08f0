-- The last change of policies that is known: an earlier one is not taken for the last.
CREATE TABLE policy_mark (
    id     INTEGER PRIMARY KEY CHECK (id = 0),
    number INTEGER NOT NULL,
    digest BLOB    NOT NULL
) STRICT;
