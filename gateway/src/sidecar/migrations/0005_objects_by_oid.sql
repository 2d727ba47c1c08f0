-- Which objects have an id: what was kept beside an object is named by it, and goes only when no object has it any more.
CREATE INDEX objects_by_oid ON objects (bucket, oid);
