"""What watches a run: statistics of probes, monitors of rounds, the verdict, and the gate that keeps bad weights out."""
