"""The procedure of transfer as data: steps, states, documents, clocks. Pure: no I/O but reading its own files."""
