"""One Django project for all peers; `PEER` says which of them is in it."""

import os

import dj_database_url

PEERS = {
    "django-mailbox": ["django_mailbox"],
    "django-helpdesk": [
        "django.contrib.admin",
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.humanize",
        "django.contrib.messages",
        "django.contrib.sessions",
        "django.contrib.sites",
        "rest_framework",
        "helpdesk",
    ],
    "celery": ["bench.peers.outbox"],
    "django-webhook": [
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django_webhook",
    ],
}
INSTALLED_APPS = PEERS[os.environ["PEER"]]
SECRET_KEY = "bench"
ROOT_URLCONF = "bench.peers.urls"
SITE_ID = 1
DJANGO_WEBHOOK = {"MODELS": ["auth.User"]}
HELPDESK_TEAMS_MODE_ENABLED = False
HELPDESK_TEAMS_MODEL = "auth.User"
HELPDESK_TEAMS_MIGRATION_DEPENDENCIES: list[object] = []
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
STATIC_URL = "/static/"
MEDIA_ROOT = os.environ["MEDIA_ROOT"]
EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
LOGGING = {"version": 1, "disable_existing_loggers": True}

# The same for everyone: kept connections, and what is committed is on the disk.
_database = dj_database_url.parse(os.environ["DATABASE_URL"], conn_max_age=None)
if "sqlite" in _database["ENGINE"]:
    _database["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
    }
DATABASES = {"default": _database}

# Celery, tuned: no results, no chatter, tasks fetched ahead, connections kept. Its
# default closes the database connection after every task, which costs it two thirds.
CELERY_BROKER_URL = os.environ.get("REDIS_URL", "")
CELERY_TASK_IGNORE_RESULT = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 16
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_DB_REUSE_MAX = 10**9
