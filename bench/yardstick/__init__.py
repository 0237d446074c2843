"""MailBelly's web server with one view more: the same list by raw SQL and orjson."""
