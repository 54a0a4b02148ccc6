"""RPC: one pipeline around every served method, the same over a socket and in memory; errors that keep their reason."""
