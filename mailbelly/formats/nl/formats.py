"""Dates as 31-01-2026, times by the 24-hour clock; the rest is as Django has it."""

DATE_FORMAT = SHORT_DATE_FORMAT = "d-m-Y"
DATETIME_FORMAT = SHORT_DATETIME_FORMAT = "d-m-Y H:i"
