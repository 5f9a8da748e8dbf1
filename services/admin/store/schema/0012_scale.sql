-- Ten million rows in mind: full text, indexes for what is rare, and a vacuum that keeps pace with the hot table.

-- Names are words with separators between them, which PostgreSQL's parser would take for file and host names. Immutable,
-- so that it can be stored and indexed: the dictionaries are named, and arrays are joined without regard to settings.
CREATE FUNCTION admin.document_words(name text, description text, tags text[]) RETURNS tsvector
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT setweight(to_tsvector('pg_catalog.russian', words.name), 'A')
        || setweight(to_tsvector('pg_catalog.english', words.name), 'A')
        || setweight(to_tsvector('pg_catalog.russian', words.rest), 'B')
        || setweight(to_tsvector('pg_catalog.english', words.rest), 'B')
    FROM (
        SELECT
            regexp_replace($1, '[^[:alnum:]]+', ' ', 'g') AS name,
            regexp_replace($2 || ' ' || array_to_string($3, ' '), '[^[:alnum:]]+', ' ', 'g') AS rest
    ) AS words
$$;

ALTER TABLE admin.files
    ADD COLUMN words tsvector NOT NULL
        GENERATED ALWAYS AS (admin.document_words(original_filename, description, tags)) STORED;
COMMENT ON COLUMN admin.files.words IS
    'Name (weight A), description and tags (B), stemmed in Russian and in English: a word counts as it stands in either.';
CREATE INDEX files_words ON admin.files USING gin (words);

-- What is not active is rare, but for what was deleted, and is asked for by its status.
CREATE INDEX files_by_status ON admin.files (status, uploaded_at, file_id) WHERE status <> 'active';

-- As a search for a type without parameters compares it.
CREATE INDEX files_by_type ON admin.files (lower(rtrim(split_part(content_type, ';', 1))), uploaded_at, file_id);

CREATE OR REPLACE VIEW query_v1.files AS
SELECT
    f.file_id,
    f.original_filename,
    f.content_type,
    f.size,
    f.sha256,
    f.uploaded_by,
    f.uploaded_at,
    f.updated_at,
    f.description,
    f.tags,
    f.metadata,
    f.retention_policy,
    f.ttl,
    f.expires_at,
    f.status,
    f.deleted_at,
    f.deleted_by,
    f.revision,
    f.epoch,
    f.element_id,
    e.storage_id,
    e.endpoint,
    f.search_text,
    f.extension,
    f.words
FROM admin.files AS f
JOIN admin.elements AS e USING (element_id);
COMMENT ON VIEW query_v1.files IS
    'Every document with the address of its element. `status` is as last written: an active row past its expires_at '
    'is expired. For an index use search_text (lower case), lower(original_filename), extension (lower case), words '
    '(websearch_to_tsquery in russian or english).';

-- By default a table of ten million rows is vacuumed only after two million have changed.
ALTER TABLE admin.files SET (
    fillfactor = 90,
    autovacuum_vacuum_scale_factor = 0.02,
    autovacuum_vacuum_insert_scale_factor = 0.05,
    autovacuum_analyze_scale_factor = 0.02
);
