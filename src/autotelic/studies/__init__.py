"""One file per system: what its paper says moves, the runs that show whether it does, and what was seen."""
