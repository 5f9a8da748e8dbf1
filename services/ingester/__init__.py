"""The ingester: takes documents in, and changes them, on whichever element serves them. Keeps nothing itself."""
