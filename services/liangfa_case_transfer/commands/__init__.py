"""Commands: pure handlers on the commit train."""
