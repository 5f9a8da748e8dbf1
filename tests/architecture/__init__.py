"""The house's rules: each is shown to be kept, and its check shown to bite."""
