"""Small base models: how each is made, where each is, and the making of those that are nowhere yet. Larger models are loaded by `policies`."""
