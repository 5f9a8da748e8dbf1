"""What an element decides without touching anything: modes, names, folders, documents, limits."""
