"""What Query can do, one verb a file."""
