# One image; the command says which process: web (the default), worker or watcher.
FROM python:3.11-slim

ENV PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
WORKDIR /srv/mailbelly

# The lock first: it changes seldom, and this layer is the large one.
COPY requirements.txt .
RUN pip install --no-cache-dir --disable-pip-version-check --require-hashes \
    -r requirements.txt

COPY . .
# Compiled here, because nothing is written later: the file system may be read-only.
RUN python -m compileall -q api mailbelly threads webhooks \
    && SECRET_KEY=build ENCRYPTION_KEYS='' python manage.py collectstatic --noinput \
    && useradd --system --uid 10001 --user-group --no-create-home mailbelly
USER 10001

EXPOSE 8000
# All three stop gently on SIGTERM, Docker's default.
HEALTHCHECK --interval=60s --timeout=20s --start-period=60s --retries=3 \
    CMD ["python", "manage.py", "alive", "web"]
CMD ["gunicorn", "mailbelly.wsgi", "--bind", "0.0.0.0:8000"]
