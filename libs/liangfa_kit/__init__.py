"""Shared mechanics of every Liangfa service: journal, commit train, events, RPC, identity, telemetry.

Nothing here knows a business word. A name that an enforcement officer would recognise belongs in a service.
"""
