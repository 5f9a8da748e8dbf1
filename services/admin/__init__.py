"""Admin: who may do what, which storage elements there are, and the registry of all documents."""
