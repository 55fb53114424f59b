"""How a task becomes rollouts of more than one answer: games, trees, steps that are taken back, opponents, and what is measured of them. Plain
sampling is in `rounds`."""
