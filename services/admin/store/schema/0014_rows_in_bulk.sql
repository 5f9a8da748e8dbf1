-- Rows that come a thousand at a time cost less: a registry that was lost is there again sooner.

-- Russian alone: it stems English words just as the English configuration does, and queries are asked in it. The second
-- half only held Russian words in the one form in which they stand. Rows that were written before keep it until they
-- change; the same queries find them. A space is a space already, and not looked at twice.
CREATE OR REPLACE FUNCTION admin.document_words(name text, description text, tags text[]) RETURNS tsvector
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    first text := regexp_replace($1, '[^[:alnum:] ]+', ' ', 'g');
    rest  text := regexp_replace($2 || ' ' || array_to_string($3, ' '), '[^[:alnum:] ]+', ' ', 'g');
BEGIN
    RETURN setweight(to_tsvector('pg_catalog.russian', first), 'A')
        || setweight(to_tsvector('pg_catalog.russian', rest), 'B');
END
$$;
COMMENT ON COLUMN admin.files.words IS
    'Name (weight A), description and tags (B), stemmed: Russian words in Russian, those of Latin letters in English.';
COMMENT ON VIEW query_v1.files IS
    'Every document with the address of its element. `status` is as last written: an active row past its expires_at '
    'is expired. For an index use search_text (lower case), lower(original_filename), extension (lower case), words '
    '(websearch_to_tsquery in russian).';

-- A foreign key looks for the element, and locks it, once for each row: a tenth of what a row costs, and two that write
-- for one element at a time have to share that lock. These keep the same promise with the same error, once a statement.
CREATE FUNCTION admin.refuse_files_of_no_element() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    there bigint;
BEGIN
    -- Locked as the key did it: who removes the element meanwhile waits, and then sees the rows.
    PERFORM FROM admin.elements WHERE element_id IN (SELECT element_id FROM written) FOR KEY SHARE OF elements;
    GET DIAGNOSTICS there = ROW_COUNT;
    IF there < (SELECT count(DISTINCT element_id) FROM written) THEN
        RAISE EXCEPTION 'files must belong to an element that is registered' USING ERRCODE = 'foreign_key_violation';
    END IF;
    RETURN NULL;
END
$$;
CREATE FUNCTION admin.refuse_file_of_no_element() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM admin.elements WHERE element_id = NEW.element_id FOR KEY SHARE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'files must belong to an element that is registered' USING ERRCODE = 'foreign_key_violation';
    END IF;
    RETURN NULL;
END
$$;
CREATE FUNCTION admin.keep_elements_with_files() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM admin.files WHERE element_id = OLD.element_id) THEN
        RAISE EXCEPTION 'there are files of this element' USING ERRCODE = 'foreign_key_violation';
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER files_have_an_element AFTER INSERT ON admin.files
    REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION admin.refuse_files_of_no_element();
CREATE TRIGGER files_keep_an_element AFTER UPDATE OF element_id ON admin.files
    FOR EACH ROW WHEN (NEW.element_id IS DISTINCT FROM OLD.element_id)
    EXECUTE FUNCTION admin.refuse_file_of_no_element();
CREATE TRIGGER elements_keep_their_files AFTER DELETE OR UPDATE OF element_id ON admin.elements
    FOR EACH ROW EXECUTE FUNCTION admin.keep_elements_with_files();
ALTER TABLE admin.files DROP CONSTRAINT files_element_id_fkey;

-- The same extension without a regular expression. To say so anew rewrites the table, with everybody shut out: only
-- where there are no rows yet, and PostgreSQL is 17 or newer. Elsewhere it stays as it was.
DO $$
BEGIN
    IF current_setting('server_version_num')::int >= 170000 AND NOT EXISTS (SELECT FROM admin.files) THEN
        ALTER TABLE admin.files ALTER COLUMN extension SET EXPRESSION AS (
            CASE WHEN right(left(original_filename, -1 - length(split_part(original_filename, '.', -1))), 1)
                      IN ('', '/', '\')
                   OR strpos(split_part(original_filename, '.', -1), '/') > 0
                   OR strpos(split_part(original_filename, '.', -1), '\') > 0
                 THEN ''
                 ELSE lower(split_part(original_filename, '.', -1))
            END
        );
    END IF;
END
$$;
