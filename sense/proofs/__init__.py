"""Proofs that two queries are equal on every database of a schema."""
