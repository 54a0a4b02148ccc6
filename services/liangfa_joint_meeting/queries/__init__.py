"""What is read, within the caller's scope."""
