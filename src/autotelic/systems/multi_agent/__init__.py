"""Several policies at once, each with its own learner."""
