"""All settings of Crowdtune, from the environment (see .env.example) with defaults for one machine."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from config import databases, env
from config.processes import postgres, secret_files

BASE_DIR = Path(__file__).resolve().parent.parent
DATA_DIR = env.path("DATA_DIR", BASE_DIR / "data")
PORT = env.integer("PORT", 8000, least=1, most=65535)
HOST = env.address("HOST", "127.0.0.1")
DEBUG = env.boolean("DEBUG", False)
DEMO = env.boolean("DEMO", True)
WEB_PROCESSES = env.integer("WEB_PROCESSES", 1, least=1, most=64)
WEB_THREADS = env.integer("WEB_THREADS", 12, least=1, most=256)
WORKER_THREADS = env.integer("WORKER_THREADS", 4, least=1, most=64)
ADMIN_PASSWORD = env.string("ADMIN_PASSWORD")
SECRET_KEY = env.string("SECRET_KEY") or secret_files.read_or_create(DATA_DIR / "secret_key", length=48)[0]
# How this machine asks for itself: the supervisor, the demo, health checks. Whatever ALLOWED_HOSTS says, that holds.
OWN_HOST = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(HOST, f"[{HOST}]" if ":" in HOST else HOST)
ALLOWED_HOSTS = [*env.names("ALLOWED_HOSTS"), "localhost", "127.0.0.1", "[::1]", OWN_HOST]
CSRF_TRUSTED_ORIGINS = env.origins("CSRF_TRUSTED_ORIGINS")
CORS_ALLOWED_ORIGINS = env.origins("CORS_ALLOWED_ORIGINS")
CORS_URLS_REGEX = r"^/(api/|v2(/|$))"
# What programs in a browser may send, the library's own first, and what they may read.
CORS_ALLOW_HEADERS = (
    "accept", "authorization", "content-type", "user-agent", "x-csrftoken", "x-requested-with",
    "accept-language", "content-encoding", "inference-header-content-length", "x-request-id", "x-sticky-key",
)  # fmt: skip
CORS_EXPOSE_HEADERS = (
    "inference-header-content-length",
    "location",
    "ratelimit",
    "ratelimit-policy",
    "retry-after",
    "x-category",
    "x-model-version",
    "x-request-id",
)

INSTALLED_APPS = [
    "config",
    "labeling",
    "training",
    "inference",
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_filters",
    "allauth",
    "allauth.account",
    "django_prometheus",
    "corsheaders",
]

MIDDLEWARE = [
    "django_prometheus.middleware.PrometheusBeforeMiddleware",
    "config.middleware.request_log.RequestIdMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "config.middleware.security.SecurityHeadersMiddleware",
    "inference.api.short_way.ShortWayMiddleware",
    "labeling.api.short_way.ShortWayMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "config.middleware.compression.CompressedPagesMiddleware",
    "corsheaders.middleware.CorsMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "config.middleware.reader_zone.ReaderZoneMiddleware",
    "config.middleware.framing.FramingMiddleware",
    "config.middleware.slashes.SlashMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "config.middleware.security.FormTextMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "config.middleware.signed_out.SignedOutMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_prometheus.middleware.PrometheusAfterMiddleware",
]

# The protocol of /v2 has an address without a slash at the end, so the ones below it begin with one.
SILENCED_SYSTEM_CHECKS = ["urls.W002"]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"

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
            ],
        },
    }
]

# -- data ------------------------------------------------------------------------------------------------------------
DATABASE_URL = env.string("DATABASE_URL")
EMBEDDED = not DATABASE_URL
DATABASES = {
    "default": databases.postgres(
        DATABASE_URL or postgres.url(DATA_DIR / "postgres"), pool_size=env.integer("DATABASE_POOL", 16, least=2)
    )
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
BROKER_URL = env.string("BROKER_URL")
STORAGES = {
    "default": databases.storage(env.string("STORAGE_URL")),
    "staticfiles": {"BACKEND": "config.static.StaticFiles"},
}
IMPORT_BUCKETS = env.strings("IMPORT_BUCKETS")
FETCH_HOSTS = env.hosts("FETCH_HOSTS")
MEDIA_ROOT = str(DATA_DIR / "media")
# Private images: no other account of this machine may read them.
FILE_UPLOAD_PERMISSIONS, FILE_UPLOAD_DIRECTORY_PERMISSIONS = 0o600, 0o700
DATA_UPLOAD_MAX_MEMORY_SIZE = 20 * 2**20
DATA_UPLOAD_MAX_NUMBER_FILES = 2000
DATA_UPLOAD_MAX_NUMBER_FIELDS = 1000 + DATA_UPLOAD_MAX_NUMBER_FILES  # each may come with its path
FILE_UPLOAD_HANDLERS = [
    "django.core.files.uploadhandler.MemoryFileUploadHandler",
    "labeling.files.uploads.OnDisk",
]

# -- machine learning --------------------------------------------------------------------------------------------------
KERAS_HOME = env.path("KERAS_HOME", Path("~/.keras"))
KERAS_BACKEND = env.choice("KERAS_BACKEND", "tensorflow", out_of=("tensorflow", "jax", "torch"))
if KERAS_BACKEND != "tensorflow" and find_spec(KERAS_BACKEND) is None:
    raise env.EnvError(
        f"KERAS_BACKEND={KERAS_BACKEND} needs the library {KERAS_BACKEND}, which is not installed: install it into "
        ".venv (docs/operating.md, On a GPU), or set tensorflow."
    )
# Keras asks the environment by itself, knows small letters only, and where nothing is said a file in the user's home.
env.pass_on("KERAS_BACKEND", KERAS_BACKEND)
FEATURES_GB = env.integer("FEATURES_GB", 64, least=1)
INFERENCE_MEMORY_MB = env.integer("INFERENCE_MEMORY_MB", 1024, least=16)
INFERENCE_LANES = env.integer("INFERENCE_LANES", 0, least=0, most=1024)  # 0 = one a core
INFERENCE_QUEUE = env.integer("INFERENCE_QUEUE", 256, least=1)
INFERENCE_BATCH = env.integer("INFERENCE_BATCH", 0, least=0, most=4096)  # 0 = none, as suits a CPU
INFERENCE_RUNTIME = env.choice("INFERENCE_RUNTIME", "openvino", out_of=("openvino", "litert"))  # on the CPU
if INFERENCE_RUNTIME == "litert" and find_spec("ai_edge_litert") is None:
    raise env.EnvError(
        "INFERENCE_RUNTIME=litert needs the library ai-edge-litert, which is not installed (there is none for an Intel "
        "Mac): set openvino."
    )
INFERENCE_DEVICE = env.choice("INFERENCE_DEVICE", "cpu", out_of=("cpu", "gpu"))  # gpu: Keras in the web process
INFERENCE_PRECISION = env.choice("INFERENCE_PRECISION", "f32", out_of=("f32", "auto"))  # auto: bf16 where it is as good
TRAINERS = env.integer("TRAINERS", 1, least=1, most=64)  # more than one: each uses the GPU of its number
TRAINER_PROCESS = True  # off: train inside the worker itself, as most tests do

# -- accounts ----------------------------------------------------------------------------------------------------------
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "/accounts/login/"
LOGIN_REDIRECT_URL = "/label/"
SIGN_UP = env.choice("SIGN_UP", "open", out_of=("open", "invited"))
ACCOUNT_LOGIN_METHODS = {"username", "email"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "email", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
# By a mail a password is reset: who finds somebody's session open must not change where it goes.
ACCOUNT_REAUTHENTICATION_REQUIRED = True
ACCOUNT_LOGOUT_REDIRECT_URL = "/"
ACCOUNT_USERNAME_VALIDATORS = "labeling.accounts.people.NAME_CHECKS"
ACCOUNT_ADAPTER = "config.accounts.Adapter"
# A class of a hundred that follows an invitation comes from one address; wrong passwords are counted by the adapter.
ACCOUNT_RATE_LIMITS = {"signup": "120/m/ip", "login": "120/m/ip"}
# The default is of each web process. It holds counters of rates, which must not push each other out where many
# addresses come. The other one is of all processes, and outlives them: wrong passwords are counted there.
CACHES = {
    "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "OPTIONS": {"MAX_ENTRIES": 20_000}},
    "shared": {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "shared_cache",
        "OPTIONS": {"MAX_ENTRIES": 100_000},
    },
}
globals().update(databases.mail(env.string("EMAIL_URL")))
DEFAULT_FROM_EMAIL = env.string("EMAIL_FROM", "crowdtune@localhost")

# -- security ----------------------------------------------------------------------------------------------------------
HTTPS = env.boolean("HTTPS", False)
# Where TLS ends in a proxy, every visitor would have its address: a few wrong passwords of one would shut out all.
NUM_PROXIES = env.integer("NUM_PROXIES", default=int(HTTPS))
if HTTPS and not NUM_PROXIES:
    raise env.EnvError(
        "NUM_PROXIES must be 1 or more with HTTPS=1, got 0: it says how many proxies of yours add to X-Forwarded-For, "
        "and without it all visitors have one address, for which tries to sign in are limited together."
    )
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SESSION_COOKIE_HTTPONLY = True
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CSRF_FAILURE_VIEW = "config.handlers.csrf_failure"

# -- language, time, static files --------------------------------------------------------------------------------------
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("hi", "हिन्दी")]
# Who switched the pages to a language finds them in it after the browser was closed, too.
LANGUAGE_COOKIE_AGE = 365 * 86_400
LANGUAGE_COOKIE_SECURE, LANGUAGE_COOKIE_HTTPONLY, LANGUAGE_COOKIE_SAMESITE = HTTPS, True, "Lax"
LOCALE_PATHS = [BASE_DIR / "locale"]
USE_I18N = True
NUMBER_GROUPING = (3, 2, 0)  # of Hindi, for which Django names none: 12,34,567; English has its own
USE_TZ = True
TIME_ZONE = "UTC"
STATIC_URL = "/static/"
STATIC_ROOT = env.path("STATIC_ROOT", DATA_DIR / "static")
STATICFILES_DIRS = [BASE_DIR / "static"]

# -- API ---------------------------------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "labeling.accounts.keys.ApiKeyAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_PARSER_CLASSES": [
        "labeling.api.parsers.JSONParser",
        "labeling.api.parsers.FormParser",
        "labeling.api.parsers.MultiPartParser",
    ],
    "DEFAULT_PAGINATION_CLASS": "labeling.api.paging.CursorPagination",
    "PAGE_SIZE": 50,
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_THROTTLE_CLASSES": ["config.throttles.AnonRate", "config.throttles.UserRate"],
    # Per web process. A simulated crowd of dozens of workers on one key must fit. Wrong passwords are counted apart.
    "DEFAULT_THROTTLE_RATES": {"anon": "300/min", "user": "12000/min"},
    "EXCEPTION_HANDLER": "config.errors.exception_handler",
    "NUM_PROXIES": NUM_PROXIES,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Crowdtune",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SWAGGER_UI_SETTINGS": {"deepLinking": True, "displayRequestDuration": True},
    "COMPONENT_SPLIT_REQUEST": True,
    "SCHEMA_PATH_PREFIX": r"/api/v1",
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "config.schema.document_refusals",
        "config.schema.summarize",
        "config.schema.guide",
    ],
    "ENUM_NAME_OVERRIDES": {
        "JobState": "labeling.models.job.Job.State",
        "TaskState": "labeling.models.task.Task.State",
        "AppealStateEnum": "labeling.models.worker.Appeal.State",
        "Role": "labeling.models.worker.Role",
        "AddedRole": "labeling.accounts.permissions.GIVEN",
        "LabelsAs": "labeling.importing.labels.LABELS_AS",
        "LabelFormat": "labeling.export.FORMATS",
        "KnownFormat": "labeling.importing.known.READERS",
        "RecipeEnum": "training.models.Recipe",
        "ComparedRecipe": "training.api.bakeoffs.RECIPES",
    },
}
UNFOLD = {
    "SITE_TITLE": "Crowdtune",
    "SITE_HEADER": "Crowdtune",
    "SITE_ICON": "/static/img/logo.svg",
    "SHOW_HISTORY": True,
    # The accent of our own pages (static/css/tokens.css), in the steps that the admin's theme asks for.
    "COLORS": {
        "primary": {
            "50": "oklch(96.2% .018 272.314)",
            "100": "oklch(93% .034 272.788)",
            "200": "oklch(87% .065 274.039)",
            "300": "oklch(78.5% .115 274.713)",
            "400": "oklch(67.3% .182 276.935)",
            "500": "oklch(58.5% .233 277.117)",
            "600": "oklch(51.1% .262 276.966)",
            "700": "oklch(45.7% .24 277.023)",
            "800": "oklch(39.8% .195 277.366)",
            "900": "oklch(35.9% .144 278.697)",
            "950": "oklch(25.7% .09 281.288)",
        }
    },
}

# -- logs --------------------------------------------------------------------------------------------------------------
LOG_REQUESTS = env.boolean("LOG_REQUESTS", False)
LOG_LEVEL = env.choice("LOG_LEVEL", "INFO", out_of=("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"))
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {
        "request_id": {"()": "config.middleware.request_log.RequestIdFilter"},
        "hidden": {"()": "config.middleware.request_log.HiddenFilter"},
        "broken": {"()": "config.middleware.request_log.BrokenFilter"},
        "theirs": {"()": "config.middleware.request_log.TheirsFilter"},
    },
    "formatters": {"line": {"()": "config.middleware.request_log.KeyValueFormatter"}},
    "handlers": {
        "stderr": {"class": "logging.StreamHandler", "filters": ["request_id"], "formatter": "line"},
    },
    "root": {"handlers": ["stderr"], "level": LOG_LEVEL},
    "loggers": {
        # Addresses that we ask, or sign for a browser, can carry what is nobody's business, and the demo asks often.
        **{one: {"level": "WARNING"} for one in ("httpx", "httpcore", "boto3", "botocore", "s3transfer", "urllib3")},
        # A dozen lines for each connection, a page for each that failed; who needed it says in one that it is away.
        "pika": {"level": "CRITICAL"},
        "django.request": {"filters": ["hidden", "broken"]},
        "django.security.csrf": {"filters": ["hidden"]},
        "django.security.DisallowedHost": {"filters": ["theirs"]},
        "django.security.RequestDataTooBig": {"filters": ["theirs"]},
        "django.security.TooManyFieldsSent": {"filters": ["theirs"]},
        "django.security.TooManyFilesSent": {"filters": ["theirs"]},
    },
}
