"""Whole systems, in folders by family: `FAMILY/NAME/recipe.py`, its study and its results beside it. A recipe imports parts, never the loop; only
the registry names recipes."""
