"""Example and knowledge retrieval. Of it there is the handbook, its knowledge; prompts have a place for context."""
