"""A service's own database: the port, its tables, and the SQLite implementation."""
