"""Corpus to round-1 LoRA, pairs to round-2 LoRA, adapters to a merged model."""
