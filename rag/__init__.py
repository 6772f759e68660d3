"""Example and knowledge retrieval. Not built yet; prompts already have a place for context."""
