"""The first page of the staff site: what needs a person, and how it has been going."""
