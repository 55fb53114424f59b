"""The families of decoders that tests go through."""

FAMILIES = ("llama", "qwen2", "qwen3")
