"""One policy, or two, that pose problems and solve them."""
