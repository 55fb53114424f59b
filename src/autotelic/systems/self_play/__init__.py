"""Policies that play games against themselves."""
