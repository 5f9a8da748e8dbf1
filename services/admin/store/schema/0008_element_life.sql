-- Elements are passed over for a while after they have failed somebody.

ALTER TABLE admin.elements ADD COLUMN avoid_until timestamptz;
COMMENT ON COLUMN admin.elements.avoid_until IS 'Until then new documents go elsewhere, if they can; NULL: never failed.';
