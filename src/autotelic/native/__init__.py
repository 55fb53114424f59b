"""Compiled code: the compiler that builds it on first use, and the kernels of the learner. Not the engine that samples (`engines.native`)."""
