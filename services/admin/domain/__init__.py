"""Admin's decisions, pure: who is let in, which element takes a document, what a row in the registry becomes."""
