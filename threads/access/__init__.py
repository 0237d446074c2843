"""Who comes in, from where, and what he may do: the safety of the staff site."""
