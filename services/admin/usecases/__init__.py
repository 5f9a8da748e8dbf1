"""What Admin can do, one verb a file."""
