"""Solutions found by search over their steps, and what is learned from the search."""
