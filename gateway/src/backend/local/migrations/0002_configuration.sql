-- What S3 keeps beside bytes, headers and tags: configurations of buckets (each the XML that S3 gives for it, none where it was never
-- put), and the lock, encryption and access list of a version or of an upload that becomes one.

ALTER TABLE buckets ADD COLUMN object_lock  TEXT;  -- none: the bucket has no Object Lock, and nothing in it is locked
ALTER TABLE buckets ADD COLUMN encryption   TEXT;
ALTER TABLE buckets ADD COLUMN ownership    TEXT;
ALTER TABLE buckets ADD COLUMN access_block TEXT;
ALTER TABLE buckets ADD COLUMN acl          TEXT;  -- none: private
ALTER TABLE buckets ADD COLUMN cors         TEXT;
ALTER TABLE buckets ADD COLUMN lifecycle    TEXT;

ALTER TABLE versions ADD COLUMN acl           TEXT;     -- none: private
ALTER TABLE versions ADD COLUMN encryption    TEXT;     -- 'AES256', 'SSE-C hex(salt ‖ MAC of the key)'
ALTER TABLE versions ADD COLUMN lock_mode     TEXT;     -- 'GOVERNANCE', 'COMPLIANCE'
ALTER TABLE versions ADD COLUMN lock_until_ms INTEGER;  -- milliseconds since the Unix epoch
ALTER TABLE versions ADD COLUMN legal_hold    INTEGER;  -- none never set, 0 off, 1 on

ALTER TABLE uploads ADD COLUMN acl           TEXT;
ALTER TABLE uploads ADD COLUMN encryption    TEXT;
ALTER TABLE uploads ADD COLUMN lock_mode     TEXT;
ALTER TABLE uploads ADD COLUMN lock_until_ms INTEGER;
ALTER TABLE uploads ADD COLUMN legal_hold    INTEGER;
