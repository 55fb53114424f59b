"""What samples tokens: the native engine on a CPU, the torch engine, and the batches they work on. An engine knows token ids, weights and random
streams; nothing of text, tasks or rewards."""
