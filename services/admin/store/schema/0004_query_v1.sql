-- What Query may see: this schema and nothing else. A change that its readers would notice makes a query_v2.

CREATE SCHEMA query_v1;

CREATE VIEW query_v1.files AS
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
    f.extension
FROM admin.files AS f
JOIN admin.elements AS e USING (element_id);
COMMENT ON VIEW query_v1.files IS
    'Every document with the address of its element. `status` is as last written: an active row past its expires_at '
    'is expired. For an index use search_text (lower case), lower(original_filename), extension (lower case).';

CREATE VIEW query_v1.schema_version AS
SELECT coalesce(max(version), 0) AS version FROM admin.migrations;
COMMENT ON VIEW query_v1.schema_version IS 'The number of the last migration; readers check it in their readiness.';
