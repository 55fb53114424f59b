"""Which methods work on a real language model. No system of its own."""
