"""Policy gradients on verified answers, and what to sample so that they find what they would not have found."""
