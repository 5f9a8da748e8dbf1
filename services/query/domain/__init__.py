"""Query's decisions."""
