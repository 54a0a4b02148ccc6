"""What changes: pure handlers on the commit train."""
