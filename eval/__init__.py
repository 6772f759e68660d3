"""Benchmarks and samples to verdicts, pass rates and reports."""
