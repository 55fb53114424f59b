"""Small base models that come with the package, and how each was made. Larger models are loaded by `policies`."""
