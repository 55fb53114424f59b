"""Arms to compare with: gold labels, and rewards that carry no information about the truth."""
