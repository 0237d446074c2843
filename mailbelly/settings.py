"""One flat table. What the environment may set is listed in docs/configuration.md."""

from datetime import timedelta
from urllib.parse import urlsplit

from django.templatetags.static import static
from django.urls import reverse_lazy
from django.utils.translation import gettext_lazy as _

from mailbelly import env
from mailbelly.env import BASE_DIR

VERSION = "0.1.0"

# --- Secrets and switches -------------------------------------------------------

DEBUG = env.boolean("DEBUG", default=False)
SECRET_KEY = env.text("SECRET_KEY")
SECRET_KEY_FALLBACKS = env.words("SECRET_KEY_FALLBACKS")
ENCRYPTION_KEYS = env.words("ENCRYPTION_KEYS")
DATA_DIR = BASE_DIR / env.text("DATA_DIR", "var")

# --- Addresses ------------------------------------------------------------------

PUBLIC_URL = env.text("PUBLIC_URL", "http://localhost:8000").rstrip("/")
_public = urlsplit(PUBLIC_URL)
_hosts = [
    *env.words("ALLOWED_HOSTS"),
    _public.hostname or "localhost",
    *(["localhost", "127.0.0.1", "[::1]"] if DEBUG else []),
]
ALLOWED_HOSTS = list(dict.fromkeys(_hosts))
CSRF_TRUSTED_ORIGINS = [f"{_public.scheme}://{_public.netloc}"]
# Only from these is X-Forwarded-For or -Proto believed (threads/access/proxies.py);
# from everybody else the headers are taken off before anything reads them.
TRUSTED_PROXIES = env.words("TRUSTED_PROXIES")
SECURE_PUBLIC = _public.scheme == "https"
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
# Without a proxy that says what came in by https, a redirect would go in circles.
SECURE_SSL_REDIRECT = SECURE_PUBLIC and bool(TRUSTED_PROXIES)
# Neighbours on the inner network; a key sent in clear is lost before any redirect.
SECURE_REDIRECT_EXEMPT = [r"^(api/|healthz$|metrics$)"]

# --- What browsers are told -----------------------------------------------------

SECURE_HSTS_SECONDS = 31_536_000 if SECURE_PUBLIC else 0
# Subdomains and the browsers' preload list are the domain owner's to decide on: they
# would bind sites that are none of ours.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
# "__Host-": sent only by https, to this host, never set by a neighbour of it.
_host = "__Host-" if SECURE_PUBLIC else ""
SESSION_COOKIE_NAME = f"{_host}sessionid"
CSRF_COOKIE_NAME = f"{_host}csrftoken"
LANGUAGE_COOKIE_NAME = f"{_host}language"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = LANGUAGE_COOKIE_SECURE = SECURE_PUBLIC
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = LANGUAGE_COOKIE_HTTPONLY = True
# Lax: a link to a thread in a chat window finds you logged in.
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = LANGUAGE_COOKIE_SAMESITE = "Lax"
# A working day; who logs in at nine is not thrown out before the evening.
SESSION_COOKIE_AGE = 12 * 60 * 60
# A view that says its own policy keeps it. The why of each: docs/security.md.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'", "'unsafe-eval'"],
        "style-src": ["'self'", "'unsafe-inline'"],
        "img-src": ["'self'", "data:"],
        "font-src": ["'self'"],
        "connect-src": ["'self'"],
        "frame-src": ["'self'"],
        "form-action": ["'self'"],
        "base-uri": ["'none'"],
        "frame-ancestors": ["'none'"],
    }
}

# --- The house ------------------------------------------------------------------

INSTALLED_APPS = [
    "unfold",
    "unfold.contrib.filters",
    "mailbelly.staff.StaffSiteConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "axes",
    "csp",
    "django_q",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "webhooks",
    "threads",
    "api",
]
MIDDLEWARE = [
    "threads.access.proxies.ProxyMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "api.middleware.RequestIdMiddleware",
    "api.middleware.CorsMiddleware",
    "api.middleware.SlashMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "threads.access.nul.NulMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "threads.language.LanguageMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "threads.access.privacy.NoStoreMiddleware",
    "axes.middleware.AxesMiddleware",
]
ROOT_URLCONF = "mailbelly.urls"
WSGI_APPLICATION = "mailbelly.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "webhooks.admin.banner.banner",
            ]
        },
    }
]
AUTH_USER_MODEL = "threads.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
# How long a wrong password is remembered; the locks themselves grow from a minute
# to an hour (threads/access/lockout.py).
AXES_COOLOFF_TIME = timedelta(hours=24)
AXES_FAILURE_LIMIT = 5
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_HANDLER = "threads.access.lockout.Handler"
AXES_LOCKOUT_CALLABLE = "threads.access.lockout.locked_page"
AXES_CLIENT_IP_CALLABLE = "threads.access.proxies.client_address"
AXES_RESET_ON_SUCCESS = True
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_SENSITIVE_PARAMETERS = ["code"]
AXES_VERBOSE = False
LOGIN_URL = "/admin/login/"
LOGIN_REDIRECT_URL = "/admin/"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
UNFOLD = {
    "SITE_TITLE": "MailBelly",
    "SITE_HEADER": "MailBelly",
    "DASHBOARD_CALLBACK": "threads.dashboard.page.fill",
    "ACCOUNT": {
        "navigation": [
            {"title": _("My account"), "link": reverse_lazy("account")},
            {
                "title": _("Change password"),
                "link": reverse_lazy("admin:password_change"),
            },
        ]
    },
    "SITE_SYMBOL": "mail",
    "SITE_FAVICONS": [
        {
            "rel": "icon",
            "type": "image/svg+xml",
            "href": lambda _request: static("threads/favicon.svg"),
        }
    ],
    "SITE_URL": None,
    "SHOW_LANGUAGES": True,
    "SHOW_VIEW_ON_SITE": False,
    "ENVIRONMENT": "mailbelly.sidebar.environment",
    "SIDEBAR": {"show_search": True, "navigation": "mailbelly.sidebar.navigation"},
    "STYLES": [lambda _request: static("webhooks/staff.css")],
    "SCRIPTS": [lambda _request: static("webhooks/staff.js")],
}

# --- Database -------------------------------------------------------------------

_database = env.database("DATABASE_URL", f"sqlite:///{DATA_DIR / 'mailbelly.sqlite3'}")
# Merged into what the URL says, never assigned over it.
_database.setdefault("OPTIONS", {})
if "sqlite" in _database["ENGINE"]:
    _database["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
        **_database["OPTIONS"],
    }
else:
    _database["OPTIONS"] = {
        # Binary parameters: a 25 MB original as hex text costs five times its size.
        "server_side_binding": True,
        # A process that stands still within a transaction, or whose machine is gone,
        # keeps its locks no longer: else everybody would wait for it, for ever.
        "options": "-c idle_in_transaction_session_timeout=30s",
        # And should its own machine be gone without a word, that shows in a minute.
        "connect_timeout": 10,
        "tcp_user_timeout": 60_000,
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "keepalives_count": 3,
        **_database["OPTIONS"],
    }
DATABASES = {"default": _database}

# --- The bell -------------------------------------------------------------------

# retry > timeout * (1 + queue_limit / workers): its clock starts when a task is
# fetched, not when it starts. Truth lives in our rows; a lost task costs a minute.
Q_CLUSTER = {
    "name": "mailbelly",
    "orm": "default",
    # One drain, one that waits for its last answers, and one for replies.
    "workers": 3,
    "timeout": 120,
    "retry": 600,
    "queue_limit": 2,
    "bulk": 1,
    "ack_failures": True,
    "max_attempts": 1,
    "save_limit": -1,
    "catch_up": False,
    "poll": 0.05,
    "guard_cycle": 0.5,
    "recycle": 500,
}
# Elsewhere than in our database; what it loses, the sweep finds.
REDIS_URL = env.text("REDIS_URL", "")
if REDIS_URL:
    # A server that hangs must not hold up who rings.
    _limits = "socket_connect_timeout=2&socket_timeout=5"
    _joint = "&" if "?" in REDIS_URL else "?"
    Q_CLUSTER |= {"orm": None, "redis": f"{REDIS_URL}{_joint}{_limits}"}

# --- The front desk -------------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["api.authentication.BearerKey"],
    "DEFAULT_PERMISSION_CLASSES": ["api.scopes.HasScope"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["api.parsers.StrictJSONParser"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "api.negotiation.RouteDecides",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "api.errors.problem_handler",
    "UNAUTHENTICATED_USER": None,
    "URL_FORMAT_OVERRIDE": None,
}
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"
SPECTACULAR_SETTINGS = {
    "TITLE": "MailBelly",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    # It warns before `api.document` has completed the document; the tests validate
    # what comes out.
    "ENABLE_DJANGO_DEPLOY_CHECK": False,
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "api.document.complete",
    ],
}
# Whose pages may ask the API from a browser, as https://app.example.com.
CORS_ALLOWED_ORIGINS = env.words("CORS_ALLOWED_ORIGINS")
API_BODY_LIMIT = 25 * 1024 * 1024
DATA_UPLOAD_MAX_MEMORY_SIZE = API_BODY_LIMIT

# --- Outgoing webhooks ----------------------------------------------------------

WEBHOOK_ALLOWED_NETWORKS = env.words("WEBHOOK_ALLOWED_NETWORKS")
WEBHOOK_PROXY = env.text("WEBHOOK_PROXY", "")
WEBHOOK_SECRET = env.text("WEBHOOK_SECRET", "")
# How long attempts, deliveries and the texts of events are kept.
RETENTION_DAYS = env.integer("RETENTION_DAYS", default=30)
# Who may read /metrics; empty: nobody.
METRICS_TOKEN = env.text("METRICS_TOKEN", "")

# --- Mail -----------------------------------------------------------------------

MAIL_SIZE_LIMIT = 25 * 1024 * 1024
# Where IMAP and SMTP servers may be; empty: everywhere but link-local and metadata.
# For commands that are told of an IMAP server; configured sources keep their own.
IMAP_PASSWORD = env.text("IMAP_PASSWORD", "")
MAIL_ALLOWED_NETWORKS = env.words("MAIL_ALLOWED_NETWORKS")
EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
EMAIL_HOST = env.text("EMAIL_HOST", "")
EMAIL_PORT = env.integer("EMAIL_PORT", default=587)
EMAIL_HOST_USER = env.text("EMAIL_HOST_USER", "")
EMAIL_HOST_PASSWORD = env.text("EMAIL_HOST_PASSWORD", "")
EMAIL_USE_SSL = env.boolean("EMAIL_USE_SSL", default=False)
# A password goes by STARTTLS unless somebody says otherwise. Both at once is neither.
_start_tls = env.boolean("EMAIL_USE_TLS", default=bool(EMAIL_HOST_USER))
EMAIL_USE_TLS = _start_tls and not EMAIL_USE_SSL
EMAIL_TIMEOUT = 30
DEFAULT_FROM_EMAIL = env.text("DEFAULT_FROM_EMAIL", "")

# --- Language and time ----------------------------------------------------------

LANGUAGE_CODE = "en"
LANGUAGES = [("nl", "Nederlands"), ("en", "English")]
LOCALE_PATHS = [BASE_DIR / "mailbelly" / "locale"]
FORMAT_MODULE_PATH = ["mailbelly.formats"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = "Europe/Amsterdam"

# --- Files ----------------------------------------------------------------------

STATIC_URL = "/static/"
STATIC_ROOT = DATA_DIR / "static"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": (
            "django.contrib.staticfiles.storage.StaticFilesStorage"
            if DEBUG
            else "whitenoise.storage.CompressedManifestStaticFilesStorage"
        )
    },
}

# --- Logging --------------------------------------------------------------------

LOG_LEVEL = env.choice(
    "LOG_LEVEL", ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"), default="INFO"
)
LOG_FORMAT = env.choice("LOG_FORMAT", ("line", "json"), default="line")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"()": "mailbelly.logs.Line"},
        "json": {"()": "mailbelly.logs.Json"},
    },
    "handlers": {
        "stderr": {
            "class": "logging.StreamHandler",
            "formatter": LOG_FORMAT,
            "level": LOG_LEVEL,
        }
    },
    "root": {"handlers": ["stderr"], "level": LOG_LEVEL},
    "loggers": {
        # Its own handler would write each line a second time, as text.
        "django": {"handlers": [], "level": "INFO"},
        # They have a line for each ring, and for each file that changes.
        "django-q": {"level": "WARNING"},
        "watchfiles": {"level": "WARNING"},
    },
}

# --- Tests only -----------------------------------------------------------------

# The name of a step at which the process kills itself, see webhooks/faults.py.
FAULT_STEP = env.text("FAULT_STEP", "")
