"""The registry, as PostgreSQL shows it to Query."""
