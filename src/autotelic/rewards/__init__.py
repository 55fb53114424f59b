"""Functions from rollouts to named numbers: confidence, novelty, lengths, judges, divergence. Formulas are pure; what samples or scores is async.
Verifiers and votes are in `answers`."""
