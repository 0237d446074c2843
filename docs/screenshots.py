"""Makes docs/images/*.png: `.venv/bin/python docs/screenshots.py`.

A try-out as `make run` makes it, in a folder of its own, with some more mail; then a real
Chromium (apt-get install chromium) looks at it. Needs the development requirements.
"""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from pathlib import Path
from time import monotonic, sleep

from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
IMAGES = ROOT / "docs" / "images"
SIZE = {"width": 1280, "height": 800}
MAILS = [
    (
        "Fatima el Amrani <fatima@bedrijf.nl>",
        "Vraag over factuur 20418",
        (
            "Beste mensen,\n\nVorige week bestelde ik twee lampen (bestelling 20418), maar"
            " op de factuur\nstaan er drie. Kunnen jullie een nieuwe factuur sturen?\n\n"
            "Met vriendelijke groet,\n\nFatima el Amrani\n"
        ),
    ),
    (
        "Joris van Dam <joris@vandam.nl>",
        "Wanneer komt mijn bestelling?",
        "Goedemorgen,\n\nDe lampen zouden gisteren komen. Weten jullie meer?\n\nJoris\n",
    ),
    (
        "Sanne de Wit <sanne.dewit@voorbeeld.nl>",
        "Offerte voor ons kantoor",
        (
            "Hallo,\n\nVoor een kantoor van 200 m² zoeken we verlichting. Kunnen jullie een"
            " offerte maken?\n\nSanne\n"
        ),
    ),
    (
        "Emre Yılmaz <emre@studio.nl>",
        "Lamp knippert",
        "Hoi,\n\nDe lamp die ik kocht knippert na een uur. Kan ik hem ruilen?\n\nEmre\n",
    ),
]
ANSWER = (
    "Dag Fatima,\n\nJe hebt gelijk, er staan twee lampen op de bestelling. De nieuwe"
    " factuur komt er vandaag nog aan.\n"
)
AGAIN = "Dank je wel, dat is snel! Nog één vraag: kan het btw-nummer erop?\n\nFatima\n"


class Site:
    """A try-out under way."""

    def __init__(self, port: int, said: str) -> None:
        self.url = f"http://localhost:{port}"
        self.api = f"http://127.0.0.1:{port}/api/v1"
        self.name, self.password = re.search(
            r"(\S+@\S+), password (\S+)", said
        ).groups()
        self.key = re.search(r"Bearer (mb_\S+?)\"", said)[1]
        self.maildir = Path(re.search(r"drop a mail +into (\S+)", said)[1])

    def ask(self, path: str, method: str = "", **body: object) -> dict:
        """GET, or POST when there is something to say."""
        data = json.dumps(body).encode() if body else None
        headers = {"Authorization": f"Bearer {self.key}"}
        headers["Content-Type"] = "application/json"
        request = urllib.request.Request(
            f"{self.api}/{path}", data, headers, method=method or None
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def drop(self, sender: str, subject: str, text: str, **headers: str) -> None:
        mail = EmailMessage()
        mail["From"], mail["To"], mail["Subject"] = (
            sender,
            "support@example.test",
            subject,
        )
        for name, value in headers.items():
            mail[name.replace("_", "-").title()] = value
        mail.set_content(text)
        name = f"{sum(map(ord, subject + text))}"
        written = self.maildir.parent / "tmp" / name
        written.write_bytes(bytes(mail))
        written.rename(self.maildir / name)

    def wait_for(self, subject: str, messages: int) -> dict:
        end = monotonic() + 30
        while monotonic() < end:
            for thread in self.ask("threads")["results"]:
                whole = thread["message_count"] >= messages
                if thread["subject"] == subject and whole:
                    return thread
            sleep(0.2)
        raise SystemExit(f"{subject!r} did not come in.")


@contextmanager
def trying_out() -> Iterator[Site]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            **os.environ,
            "ENV_FILE": f"{folder}/.env",
            "DATA_DIR": f"{folder}/var",
            "PORT": str(port),
        }
        process = subprocess.Popen(
            [sys.executable, "-m", "mailbelly.run"],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            said = ""
            for line in process.stdout:
                said += line
                if line.startswith("curl"):
                    break
            yield Site(port, said)
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=30)


def furnish(site: Site) -> str:
    """More mail, an answer and a question back; the id of that thread."""
    for number, (sender, subject, text) in enumerate(MAILS):
        site.drop(sender, subject, text, message_id=f"<{number}@example.org>")
    changes = (
        {"tags": ["bezorging"], "assignee": site.name, "priority": "high"},
        {"tags": ["offerte"], "status": "pending"},
        {"tags": ["ruilen"], "status": "closed", "assignee": site.name},
    )
    for (_, subject, _), change in zip(MAILS[1:], changes, strict=True):
        thread = site.wait_for(subject, 1)
        site.ask(f"threads/{thread['id']}", "PATCH", **change)
    thread = site.wait_for(MAILS[0][1], 1)
    sent = site.ask(f"threads/{thread['id']}/reply", body=ANSWER)
    request = urllib.request.Request(
        f"{site.api}/messages/{sent['id']}/raw",
        headers={"Authorization": f"Bearer {site.key}"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        ours = re.search(rb"(?im)^message-id: (\S+)", answer.read())[1].decode()
    site.drop(MAILS[0][0], f"Re: {MAILS[0][1]}", AGAIN, in_reply_to=ours)
    return site.wait_for(MAILS[0][1], 3)["id"]


def log_in(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/admin/login/")
    page.fill("input[name=username]", site.name)
    page.fill("input[name=password]", site.password)
    page.click("button[type=submit]")
    page.wait_for_url(f"{site.url}/admin/")


def main() -> None:
    """Every picture, anew."""
    IMAGES.mkdir(exist_ok=True)
    chromium = shutil.which("chromium") or "/usr/bin/chromium"
    with trying_out() as site, sync_playwright() as playwright:
        conversation = furnish(site)
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport=SIZE, locale="en-GB")
        log_in(page, site)
        page.request.post(
            f"{site.url}/language",
            form={"language": "en"},
            headers={"X-CSRFToken": csrf(page), "Referer": site.url},
        )
        threads = f"{site.url}/admin/threads/thread/"
        for name, url in (
            ("dashboard", f"{site.url}/admin/"),
            ("threads", threads),
            ("thread", site.ask(f"threads/{conversation}")["admin_url"]),
            ("webhook", f"{site.url}/admin/webhooks/webhook/"),
        ):
            page.goto(url)
            if name == "webhook":
                page.get_by_role("link", name=re.compile("127.0.0.1")).first.click()
            page.wait_for_load_state("networkidle")
            page.screenshot(path=IMAGES / f"{name}.png")
            print(IMAGES / f"{name}.png")
        browser.close()


def csrf(page: Page) -> str:
    cookies = {cookie["name"]: cookie["value"] for cookie in page.context.cookies()}
    return next(value for name, value in cookies.items() if name.endswith("csrftoken"))


if __name__ == "__main__":
    main()
