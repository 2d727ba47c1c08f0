-- First 16 bytes of SHA-256 over the value of the header that the write leaves. NULL where it is not known: in rows of before, and
-- of CompleteMultipartUpload, whose header went to the backend with the upload.
ALTER TABLE intents ADD COLUMN header BLOB CHECK (length(header) = 16);
