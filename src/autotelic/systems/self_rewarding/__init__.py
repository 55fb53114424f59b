"""The policy judges its own answers, in text or by its own probabilities, and learns from the judgement."""
