-- What a part was copied from, a JSON array: bucket, key, version id or null, backend ETag. NULL where its bytes came from the client.
ALTER TABLE part_attempts ADD COLUMN copied_from TEXT;
