"""Queries: statements on the read side."""
