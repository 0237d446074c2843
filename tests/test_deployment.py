"""The documented production settings, as a process would boot with them."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings

ROOT = Path(settings.BASE_DIR)
PRODUCTION = {
    "SECRET_KEY": "n3q5Zr8-tB_w1LxK7vYc2Ja9Ds4Gf6Hh0Pm-Qe_Ui5Ot8Rn2Bv",
    "ENCRYPTION_KEYS": "3mK0cV5cJ2J8bqg8lC3i5mFqRr5r4xg5n8m0o1p2q3s=",
    "PUBLIC_URL": "https://mail.jouwdomein.nl",
    "TRUSTED_PROXIES": "10.0.0.2",
}

SMTP = {"EMAIL_HOST": "smtp.jouwdomein.nl", "EMAIL_HOST_USER": "post"}


def manage(tmp_path, *arguments, **changes):
    """`manage.py` with nothing in its environment but what is documented."""
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env={
            "PATH": os.environ["PATH"],
            "ENV_FILE": os.devnull,
            "DATA_DIR": str(tmp_path),
            **PRODUCTION,
            **changes,
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def check(tmp_path, **changes):
    said = manage(
        tmp_path,
        "check",
        "--deploy",
        "--database",
        "default",
        "--fail-level",
        "WARNING",
        **changes,
    )
    return said, set(re.findall(r"\((\w+\.[EW]\d{3})\)", said.stderr))


def test_the_documented_production_settings_pass_the_deployment_check(tmp_path):
    said, found = check(tmp_path)
    assert found == set()
    assert said.returncode == 0, said.stderr


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"DEBUG": "true"}, "threads.E003"),
        ({"SECRET_KEY": "geheim"}, "threads.E004"),
        ({"PUBLIC_URL": "http://mail.jouwdomein.nl"}, "threads.W001"),
        ({"TRUSTED_PROXIES": "proxy.jouwdomein.nl"}, "threads.E002"),
        ({"WEBHOOK_ALLOWED_NETWORKS": "10.0.0.0/8"}, "webhooks.W002"),
        ({**SMTP, "EMAIL_USE_TLS": "false"}, "threads.W003"),
    ],
)
def test_what_is_wrong_in_production_is_said_with_its_mend(tmp_path, changes, expected):
    said, found = check(tmp_path, **changes)
    assert expected in found
    assert said.returncode == 1
    line = said.stderr.partition(f"({expected})")[2].partition("?:")[0]
    assert "HINT:" in line


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ["True", "False"]),
        ({"EMAIL_USE_SSL": "true"}, ["False", "True"]),
        ({"EMAIL_USE_SSL": "true", "EMAIL_USE_TLS": "true"}, ["False", "True"]),
        ({"EMAIL_HOST_USER": ""}, ["False", "False"]),
    ],
)
def test_a_password_for_the_mail_server_goes_by_tls(tmp_path, changes, expected):
    asked = "print(s.EMAIL_USE_TLS, s.EMAIL_USE_SSL)"
    program = f"from django.conf import settings as s; {asked}"
    said = manage(tmp_path, "shell", "-c", program, **{**SMTP, **changes})
    assert said.stdout.split()[-2:] == expected, said.stderr


def test_no_host_is_named_twice(tmp_path):
    program = "from django.conf import settings as s; print(*s.ALLOWED_HOSTS)"
    here = {"DEBUG": "true", "PUBLIC_URL": "http://localhost:8000"}
    said = manage(tmp_path, "shell", "-c", program, **here)
    assert said.stdout.splitlines()[-1] == "localhost 127.0.0.1 [::1]", said.stderr


def test_sqlite_that_forgets_on_a_power_cut_is_named(tmp_path):
    url = f"sqlite:///{tmp_path}/db.sqlite3?init_command=PRAGMA synchronous=NORMAL;"
    assert "threads.W002" in check(tmp_path, DATABASE_URL=url)[1]


def test_cookies_of_an_https_site_are_bound_to_its_host(tmp_path):
    names = (
        "SESSION_COOKIE_NAME",
        "CSRF_COOKIE_NAME",
        "SESSION_COOKIE_SECURE",
        "SECURE_HSTS_SECONDS",
        "SECURE_SSL_REDIRECT",
    )
    asked = "; ".join(f"print(s.{name})" for name in names)
    said = manage(
        tmp_path, "shell", "-c", f"from django.conf import settings as s; {asked}"
    )
    assert said.stdout.split()[-5:] == [
        "__Host-sessionid",
        "__Host-csrftoken",
        "True",
        "31536000",
        "True",
    ]


def test_a_login_over_https_ends_in_a_host_bound_session(tmp_path):
    """Through the whole stack: the proxy's header, the cookie, the redirect."""
    assert manage(tmp_path, "migrate", "--verbosity", "0").returncode == 0
    assert manage(tmp_path, "collectstatic", "--noinput").returncode == 0
    program = """
from django.test import Client
from threads.models import User
User.objects.create_superuser("a@shop.nl", "a@shop.nl", "geheim-wachtwoord-9")
def ask(method, path, peer, **data):
    return getattr(client, method)(
        path, data or None, headers={"host": "mail.jouwdomein.nl",
        "x-forwarded-proto": "https"}, REMOTE_ADDR=peer)
client = Client()
print("stranger", ask("get", "/admin/login/", "198.51.100.7").status_code)
print("probe", ask("get", "/healthz", "198.51.100.7").status_code)
page = ask("get", "/admin/login/", "10.0.0.2")
print("proxy", page.status_code, page["Strict-Transport-Security"])
answer = ask("post", "/admin/login/", "10.0.0.2", username="a@shop.nl",
    password="geheim-wachtwoord-9")
cookie = answer.cookies["__Host-sessionid"]
print("login", answer.status_code, cookie["secure"], cookie["path"], cookie["domain"])
"""
    said = manage(tmp_path, "shell", "-c", program)
    assert said.stdout.splitlines()[-4:] == [
        "stranger 301",
        "probe 200",
        "proxy 200 max-age=31536000",
        "login 302 True / ",
    ], said.stdout + said.stderr
