"""Where problems come from: task files and data sets, worlds that generate, the pool and its samplers."""
