"""Scores of systems: what is scored, by which rules, and what the outcomes sum to."""
