"""How a task becomes rollouts: who speaks, and in which order."""
