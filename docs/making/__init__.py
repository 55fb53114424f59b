"""Parts of `docs/fill.py`: what makes pages and pictures from the sources. No part of the package."""
