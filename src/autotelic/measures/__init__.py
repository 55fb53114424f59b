"""What watches a run: the meter of its cost, metrics as data, probes and their statistics, monitors of rounds, the verdict, and the gate that keeps
bad weights out. No file is read or written here."""
