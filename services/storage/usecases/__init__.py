"""What an element can do, one verb a file."""
