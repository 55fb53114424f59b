"""A policy that mends its own answers: second attempts, reflections."""
