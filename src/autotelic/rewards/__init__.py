"""Functions from rollouts to named numbers: verifiers, votes, confidence, controls. Formulas are pure; what samples or scores is async."""
