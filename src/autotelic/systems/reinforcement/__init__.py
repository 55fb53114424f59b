"""Policy gradients on verified answers, and ways to sample more varied answers for them."""
