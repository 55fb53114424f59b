"""Pairs of the policy's own (or its own and given) completions, and a pair loss."""
