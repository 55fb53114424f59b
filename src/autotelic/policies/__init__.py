"""Weights and what belongs to them: load and save, tokenizers, adapters, snapshots, log-probabilities, tiny models."""
