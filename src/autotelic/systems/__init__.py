"""Whole systems, one file each, in folders by family. A recipe imports parts, never the loop; only the registry names recipes."""
