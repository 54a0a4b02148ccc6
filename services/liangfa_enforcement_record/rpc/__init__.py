"""Servicers: proto in, command or query, proto out. No rules live here."""
