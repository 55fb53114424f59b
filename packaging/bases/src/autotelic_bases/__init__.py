"""Folders of base models, one by the name of each, which `autotelic.bases.places` finds by entry points. No code."""
