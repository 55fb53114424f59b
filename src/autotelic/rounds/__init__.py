"""What the code of a round sees: the context by which it samples, learns and logs, and the roles that speak. Not what a particular system does in a
round."""
