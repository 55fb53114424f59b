"""What to train on next is decided by what training just did."""
