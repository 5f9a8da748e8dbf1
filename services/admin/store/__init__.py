"""All that Admin keeps: PostgreSQL, its schema, and the same in memory for tests."""
