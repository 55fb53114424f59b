"""The policy is trained by likelihood on its own filtered output."""
