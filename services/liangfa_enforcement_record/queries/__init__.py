"""Reads of the record: each a statement or two, already limited to the caller's scope."""
