"""Rewards made from the policy's own answers or confidence, without labels."""
