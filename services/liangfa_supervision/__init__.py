"""supervision (执法监督): what supervisors see of everybody's events.

Responsible for the live feed, alerts and statistics: read models that are derived from events and can be rebuilt from
them. Refuses to change anything of a case: that belongs to the service that owns it.
"""
