"""Who makes tokens. An engine knows token ids, weights and random streams; nothing of text, tasks or rewards."""
