"""A page on this machine that shows many runs while they train, and their rollouts one by one. It reads run directories and writes nothing into them."""
