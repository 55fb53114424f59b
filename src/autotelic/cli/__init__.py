"""The command `autotelic`: it parses arguments and prints. Everything it does is a call into `runs` or `studies`."""
