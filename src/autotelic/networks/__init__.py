"""Language models as modules of torch: decoders, adapters, packing, scoring. Nothing here knows of tasks or of files of models."""
