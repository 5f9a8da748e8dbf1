-- How far the change feed of each element is known.

CREATE TABLE admin.element_feeds (
    element_id  uuid PRIMARY KEY REFERENCES admin.elements (element_id) ON DELETE CASCADE,
    feed_id     text NOT NULL,
    number      bigint NOT NULL,
    advanced_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE admin.element_feeds IS
    'Written in the transaction that writes the rows. No row: the element is to be synced in full first.';
