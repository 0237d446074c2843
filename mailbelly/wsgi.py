"""The door for web servers: `gunicorn mailbelly.wsgi`."""

from django.core.wsgi import get_wsgi_application

from mailbelly import env

env.choose_settings()
application = get_wsgi_application()
