"""How gunicorn runs the web process; what its command line says wins."""

from mailbelly.settings import LOGGING

bind = "127.0.0.1:8000"
workers = 2
worker_class = "gthread"
threads = 8
# Requests in hand may end; the longest is a client that waits for events (30 s).
graceful_timeout = 35
# A socket in the home directory, which may be read-only and which nothing needs.
control_socket_disable = True
# Its own lines in the format of all others; requests are the proxy's to log.
logconfig_dict = {**LOGGING, "loggers": {"gunicorn.error": {"propagate": True}}}
