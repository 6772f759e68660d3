"""Example and knowledge retrieval. Nothing is built here yet: prompts already have a place for context (autovcoder.prompt)."""
