"""Deadlines on the database's clock, so that no machine's own clock matters."""

from datetime import timedelta

from django.db import models
from django.db.models import Expression, ExpressionWrapper, Value
from django.db.models.functions import Now


def in_seconds(seconds: float) -> Expression:
    """`Now() + seconds`, for a column that ends a lease or sets the next attempt."""
    return ExpressionWrapper(
        Now() + Value(timedelta(seconds=seconds)), output_field=models.DateTimeField()
    )
