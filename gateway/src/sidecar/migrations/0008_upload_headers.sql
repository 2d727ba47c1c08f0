-- Metadata, tags and the like that an object is to have, where a policy may put it in quarantine: the backend tells nobody what an upload was created with. A JSON array
-- of [name, value]. Empty without a policy, and in rows of before.
ALTER TABLE uploads ADD COLUMN headers TEXT NOT NULL DEFAULT '[]';
