"""Protos in, commands and queries out; no rules."""
