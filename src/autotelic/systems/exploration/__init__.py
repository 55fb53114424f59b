"""What to sample, so that reinforcement learning finds what it would not have sampled."""
