"""What the nox sessions do in more than one line. Used by developers and tests, never by a process."""
