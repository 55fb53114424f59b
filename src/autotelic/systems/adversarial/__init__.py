"""Pairs of policies that learn by trying to beat each other."""
