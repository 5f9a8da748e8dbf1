"""All that Admin keeps: PostgreSQL, and its schema."""
