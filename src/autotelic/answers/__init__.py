"""Answers in texts: where they stand, what they mean, when two are equal, and how a group of them votes. Text alone; no models, no rewards."""
