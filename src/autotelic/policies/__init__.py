"""A policy and its files: loading and saving models, tokenizers, chat templates, adapters, weights by version. The modules of torch are in
`networks`."""
