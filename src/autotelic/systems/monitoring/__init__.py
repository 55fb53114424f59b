"""When and how self-improvement fails, and how to see it: analyses, most of which train nothing."""
