"""What the ingester can do, one verb a file."""
