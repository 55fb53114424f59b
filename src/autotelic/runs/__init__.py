"""A run from settings to verdict: the loop, the store, probes, progress and reports."""
