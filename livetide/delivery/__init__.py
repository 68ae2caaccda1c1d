"""Alerts on their way out: to a signed webhook, in the words and the shape that Alertmanager's users know."""
