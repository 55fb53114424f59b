"""What the code of a round sees: the context and the roles that speak."""
