"""The command. It parses and prints; everything it does is a call into `runs`."""
