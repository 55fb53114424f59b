"""What a paper says moves, beside what: the registry, the runs, the results and the figures of studies, and the catalogue of published systems. A
study itself stands beside its system."""
