"""Systems that choose the next tasks by what training on the last ones did."""
