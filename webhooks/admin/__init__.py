"""The staff site of this room, a file for each group of pages."""

from webhooks.admin import cluster, deliveries, events, retention, webhooks

__all__ = ["cluster", "deliveries", "events", "retention", "webhooks"]
