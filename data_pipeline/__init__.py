"""Repositories to a clean, scored corpus; a teacher to problem and code pairs that simulation proves."""
