"""Dutch: complete, in the glossary's words, on every page; and the API in English."""

import json
import re
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path

import pytest
from django.conf import settings as ours
from django.core.management import call_command
from django.test import Client
from django.utils import formats, timezone
from django.utils.translation import gettext, override
from django.utils.translation.trans_real import DjangoTranslation
from django_q.models import Schedule, Task

from api.models import ApiKey
from tests import staff
from tests.catalogues import read_mo, read_po, strings_of
from threads import lifecycle, sample
from threads.actors import SYSTEM
from threads.errors import RefusedError
from threads.models import IngestRecord, Original, Source, Team, Thread, User
from threads.sources.base import SourceError
from threads.sources.maildir import Maildir
from webhooks import rules
from webhooks.delivery import drain
from webhooks.models import Webhook

ROOT = Path(ours.BASE_DIR)
CATALOGUES = ROOT / "mailbelly" / "locale" / "nl" / "LC_MESSAGES"
DUTCH = {entry.key: entry for entry in read_po(CATALOGUES / "django.po")}
OWN = strings_of(
    *(ROOT / name for name in ("mailbelly", "threads", "webhooks", "api", "templates"))
)
FORBIDDEN = re.compile(
    r"\b(gesprek\w*|draad|draden|postvak\w*|sluiten|u|uw)\b", re.IGNORECASE
)
DATES = re.compile(r"\b\d\d-\d\d-\d{4} \d\d:\d\d\b")
FOREIGN_DATES = re.compile(
    r"\b\d{4}-\d\d-\d\d\b|\b\d{1,2} [a-z]+\.? \d{4}\b|\b[ap]\.?m\.?\b", re.IGNORECASE
)


def _package(name, *places):
    folder = Path(import_module(name).__file__).parent
    return [folder / place for place in places or ("",)]


# What they show to our staff, and have no Dutch for.
NEIGHBOURS = [
    *_package("unfold", "", "contrib/filters"),
    *_package("django_q", "admin.py", "models.py"),
    *_package("axes", "admin.py", "models.py", "conf.py"),
    *_package("django.contrib.auth", "forms.py", "password_validation.py"),
]
# Django has Dutch of its own; we put other words in its place here and there.
DJANGO = [
    place / "locale" / "nl" / "LC_MESSAGES" / "django.mo"
    for place in _package("django", "conf", "contrib/admin", "contrib/auth")
]
# Django's welcome to an empty project.
NEVER_SEEN = "settings file and you have not configured any URLs"

# The glossary, where a msgid is one of its English terms.
GLOSSARY = {
    "work": "Werk",
    "settings": "Instellingen",
    "administration": "Beheer",
    "dashboard": "Overzicht",
    "mailbox": "mailbox",
    "mailboxes": "mailboxen",
    "domain": "domein",
    "domains": "domeinen",
    "alias": "alias",
    "aliases": "aliassen",
    "source": "mailbron",
    "sources": "mailbronnen",
    "thread": "thread",
    "threads": "threads",
    "message": "bericht",
    "messages": "berichten",
    "inbound": "inkomend",
    "outbound": "uitgaand",
    "customer": "klant",
    "customers": "klanten",
    "team member": "teamlid",
    "team members": "teamleden",
    "team": "team",
    "event": "event",
    "events": "events",
    "webhook": "webhook",
    "webhooks": "webhooks",
    "new webhook": "Nieuwe webhook",
    "webhook secret": "Webhook secret",
    "copy": "Kopiëren",
    "show": "Tonen",
    "rotate secret": "Secret vernieuwen",
    "retire old": "Oude secret nu intrekken",
    "retire old secret": "Oude secret nu intrekken",
    "delivery": "bezorging",
    "deliveries": "bezorgingen",
    "attempt": "poging",
    "attempts": "pogingen",
    "delivery\x04pending": "wacht",
    "claimed": "bezig",
    "succeeded": "bezorgd",
    "exhausted": "opgegeven",
    "held": "vastgehouden",
    "cancelled": "geannuleerd",
    "send again": "Opnieuw bezorgen",
    "replay since…": "Opnieuw bezorgen vanaf…",
    "active": "actief",
    "paused": "gepauzeerd",
    "off": "uitgeschakeld",
    "enable": "Inschakelen",
    "enable with backlog": "Inschakelen en achterstand bezorgen",
    "send test event": "Testevent versturen",
    "open": "open",
    "pending": "in afwachting",
    "closed": "afgesloten",
    "spam": "spam",
    "close": "Afsluiten",
    "reopen": "Heropenen",
    "snooze until…": "Sluimeren tot…",
    "assign": "Toewijzen",
    "unassign": "Toewijzing opheffen",
    "unassigned": "Niet toegewezen",
    "my threads": "Mijn threads",
    "mark as spam": "Als spam markeren",
    "not spam": "Geen spam",
    "merge": "Samenvoegen",
    "split": "Afsplitsen",
    "low": "laag",
    "normal": "normaal",
    "high": "hoog",
    "urgent": "urgent",
    "tag": "tag",
    "tags": "tags",
    "reply": "Antwoorden",
    "reply all": "Allen antwoorden",
    "forward": "Doorsturen",
    "send reply": "Antwoord versturen",
    "send and close": "Versturen en afsluiten",
    "draft": "concept",
    "canned response": "standaardantwoord",
    "internal note": "interne notitie",
    "received": "ontvangen",
    "scheduled": "ingepland",
    "queued": "in wachtrij",
    "sending": "wordt verzonden",
    "sent": "verzonden",
    "stored": "opgeslagen",
    "failed": "mislukt",
    "in doubt": "onzeker",
    "bounced": "onbestelbaar",
    "quarantine": "quarantaine",
    "try again": "Opnieuw verwerken",
    "oversize": "te groot",
    "duplicate": "dubbel",
    "automatic": "automatisch",
    "bulk": "bulkmail",
    "unverified sender": "afzender niet geverifieerd",
    "why is this here?": "Waarom staat dit hier?",
    "api key": "API-sleutel",
    "api keys": "API-sleutels",
    "scopes": "rechten",
    "expires": "verloopt op",
    "revoke": "Intrekken",
    "last used": "laatst gebruikt",
    "rate limit": "API-limiet",
    "test connection": "Verbinding testen",
    "connected": "Verbonden",
    "login refused": "Inloggen geweigerd",
    "fetch now": "Nu ophalen",
    "last fetched": "laatst opgehaald",
    "leave": "laten staan",
    "mark seen": "als gelezen markeren",
    "move": "verplaatsen",
    "retention": "bewaartermijn",
    "(no subject)": "(geen onderwerp)",
    "attachment": "bijlage",
    "attachments": "bijlagen",
    "save": "Opslaan",
}
# Words of both languages, and names.
SAME_WORDS = (
    "alias api axes basic bcc byte bytes cc cluster code common cron csrf ctrl "
    "database debug django drain en english enter esc event events extra false "
    "filter filters headers hook html http https id imap info json line lmtp mailbelly "
    "mailbox maildir nederlands nl open pipe post postgresql python server smtp spam "
    "sqlite starttls status tag tags team teams testserver thread threads "
    "urgent url uuid webhook webhooks workers "
    "client common google inbox microsoft oauth refresh scope secret tenant tls token "
)
# Django and axes make these up from names in their code; nobody can translate them.
MADE_UP = re.compile(
    r"\w+-\w+ relationships?|\w+_\w+ object|OrmQ object|Access Log for .*"
)
# Longer than any label: a part of a mail.
SENTENCE = 40
# `threads:read`, paths, addresses, JSON, ids: what programs say to each other.
CODES = re.compile(r"\[.*\]|\{.*\}|\S*\w[.:_/@]\w\S*|\w*\d\w*")


# --- The catalogue --------------------------------------------------------------


def test_every_string_of_ours_is_in_the_catalogue():
    """`make messages` puts it there."""
    assert sorted(set(OWN) - set(DUTCH)) == []


def test_the_catalogue_has_no_string_that_is_gone():
    assert sorted(set(DUTCH) - set(OWN)) == []


@pytest.mark.parametrize("name", ["django", "djangojs"])
def test_every_string_has_dutch(name):
    entries = read_po(CATALOGUES / f"{name}.po")
    assert [e.key for e in entries if e.fuzzy or not all(e.texts or [""])] == []
    forms = [1 if e.plural is None else 2 for e in entries]
    assert [len(e.texts) for e in entries] == forms


@pytest.mark.parametrize("name", ["django", "djangojs"])
def test_what_is_filled_in_is_the_same_in_dutch(name):
    for entry in read_po(CATALOGUES / f"{name}.po"):
        for text in entry.texts:
            assert _places(text) == _places(entry.plural or entry.msgid), entry.msgid


def _places(text):
    """Named ones may come in any order, and as often as Dutch wants."""
    named = set(re.findall(r"%\(\w+\)[a-z]|\{\w+\}", text))
    return named, re.findall(r"%[a-z]|\{\}", text)


@pytest.mark.parametrize("name", ["django", "djangojs"])
def test_what_is_compiled_is_what_is_written(name):
    """`make messages` compiles it."""
    written = {}
    for entry in read_po(CATALOGUES / f"{name}.po"):
        written.update(entry.compiled)
    assert read_mo(CATALOGUES / f"{name}.mo") == written


def test_the_catalogue_is_sorted_so_that_branches_merge():
    keys = [entry.msgid for entry in read_po(CATALOGUES / "django.po")]
    assert keys == sorted(keys)


def test_what_our_neighbours_show_has_dutch():
    said = DjangoTranslation("nl")._catalog
    missing = [
        key
        for key, plural in strings_of(*NEIGHBOURS).items()
        if (key if plural is None else (key, 1)) not in said
    ]
    assert missing == []


def test_our_neighbours_still_say_what_we_translate_for_them():
    theirs = set(strings_of(*NEIGHBOURS))
    for catalogue in DJANGO:
        theirs.update(
            key[0] if isinstance(key, tuple) else key for key in read_mo(catalogue)
        )
    ours = strings_of(ROOT / "mailbelly" / "phrases.py")
    assert sorted(set(ours) - theirs) == []


# --- The glossary ---------------------------------------------------------------


@pytest.mark.parametrize("domain", ["django", "djangojs"])
def test_no_dutch_of_ours_or_of_theirs_says_a_forbidden_word(domain):
    said = DjangoTranslation("nl", domain=domain)._catalog
    wrong = {
        key: said[key]
        for key, _ in said.items()
        if key and FORBIDDEN.search(str(said[key])) and NEVER_SEEN not in str(key)
    }
    assert wrong == {}


def test_terms_of_the_glossary_have_its_dutch():
    wrong = {
        key: entry.texts[0]
        for key, entry in DUTCH.items()
        if (term := GLOSSARY.get(key.strip().lower()))
        and entry.texts[0].lower() != term.lower()
    }
    assert wrong == {}


# The glossary's articles; a word between them does not hide one.
NEUTER = r"(?:event|(?:webhook )?secret|bericht|teamlid|team|domein|concept)"
COMMON = (
    r"(?:mailbox|alias|mailbron|thread|klant|webhook(?! secret)|bezorging|poging|tag"
    r"|bijlage|quarantaine|API-sleutel)"
)
WRONG_ARTICLE = re.compile(
    rf"\b(?:de|deze|die) (?:oude |nieuwe |nieuwste )?{NEUTER}\b"
    rf"|\b(?:het|dit) (?:oude |nieuwe |nieuwste )?{COMMON}\b",
    re.IGNORECASE,
)


def test_nouns_have_the_article_of_the_glossary():
    texts = [text for entry in DUTCH.values() for text in entry.texts]
    assert [text for text in texts if WRONG_ARTICLE.search(text)] == []


# --- The pages ------------------------------------------------------------------


@pytest.fixture
def rows(transactional_db, settings, tmp_path):
    """Something of everything that has a page."""
    settings.DATA_DIR = tmp_path
    settings.WEBHOOK_ALLOWED_NETWORKS = ["127.0.0.0/8"]
    sample.add("http://127.0.0.1:1024/")
    call_command("ingest", verbosity=0)
    drain(budget_seconds=20)
    original = Original.objects.create(sha256="0" * 64, size=1, content=b"x")
    IngestRecord.objects.create(
        source=Source.objects.get(),
        ref="1700000000.M9P9.host",
        size=1,
        original=original,
        state=IngestRecord.State.QUARANTINED,
        last_error="ValueError",
    )
    thread = Thread.objects.latest("pk")
    lifecycle.change(
        thread.pk, actor=SYSTEM, changes=lifecycle.Changes(tags=["factuur"])
    )
    ApiKey.objects.issue("koppeling")
    Team.objects.create(name="Klantenservice")
    Schedule.objects.create(name="nachtwerk", func="webhooks.tasks.drain")
    for success in (True, False):
        Task.objects.create(
            id=f"taak-{success}",
            name=f"taak-{success}",
            func="webhooks.tasks.drain",
            started=timezone.now(),
            stopped=timezone.now(),
            success=success,
            result=204,
        )


@pytest.fixture
def open_as(rows, settings):
    """A browser of somebody who may do everything, in their language."""
    plain = "django.contrib.staticfiles.storage.StaticFilesStorage"
    settings.STORAGES = {**settings.STORAGES, "staticfiles": {"BACKEND": plain}}

    def make(language):
        user = User.objects.create_superuser(
            f"baas-{language}",
            f"baas-{language}@shop.nl",
            first_name="Sam",
            language=language,
        )
        client = Client(headers={"accept-language": language})
        client.force_login(user)
        return client

    return make


def test_every_page_is_dutch(open_as):
    """What reads the same in both languages is data, a code, or a word of both."""
    dutch, english = open_as("nl"), open_as("en")
    data = staff.data()
    left, wrong, dates = {}, {}, set()
    met = 0
    for path in staff.pages(dutch):
        met += 1
        shown = staff.texts(dutch, path)
        for text in shown & staff.texts(english, path):
            if words := _english(text, data):
                left.setdefault(text, (path, words))
        for text in shown:
            rest = _without(data, MADE_UP.sub(" ", text))
            dates.update(DATES.findall(rest))
            if FORBIDDEN.search(rest) or FOREIGN_DATES.search(rest):
                wrong.setdefault(text, path)
    assert left == {}
    assert wrong == {}
    assert dates != set()
    assert met > 50


def _english(text, data):
    """The words in a text that nobody has translated."""
    if not _without(data, text):
        return []
    rest = _without(data, CODES.sub(" ", MADE_UP.sub(" ", text)))
    words = re.findall(r"\b[^\W\d_]{2,}\b", rest)
    return [word for word in words if word.lower() not in SAME_WORDS.split()]


def _without(data, text):
    """What is left of a text when the data in it is taken out."""
    lower = text.lower()
    if lower in data or (len(text) > SENTENCE and any(lower in one for one in data)):
        return ""
    for value in data:
        if len(value) > 1 and value in text.lower():
            text = re.sub(re.escape(value), " ", text, flags=re.IGNORECASE)
    return text


def test_dates_and_times_are_dutch():
    moment = datetime(2026, 1, 31, 20, 5, tzinfo=UTC)
    with override("nl"):
        assert formats.localize(timezone.localtime(moment)) == "31-01-2026 21:05"
        assert formats.localize(moment.date()) == "31-01-2026"
        assert formats.date_format(moment, "SHORT_DATE_FORMAT") == "31-01-2026"


def test_in_english_nobody_takes_a_day_for_a_month_nor_noon_for_midnight():
    moment = datetime(2026, 11, 2, 2, 8, tzinfo=UTC)
    with override("en"):
        assert formats.localize(timezone.localtime(moment)) == "2 Nov 2026, 03:08"
        assert formats.localize(moment.date()) == "2 Nov 2026"
        assert formats.date_format(moment, "SHORT_DATETIME_FORMAT").startswith("2 Nov")
        assert formats.localize(timezone.localtime(moment).time()) == "03:08"


# --- Sentences on their way -----------------------------------------------------


def test_a_refused_url_is_refused_in_the_language_of_who_asks():
    with override("nl"), pytest.raises(rules.InvalidWebhookError) as refused:
        rules.check_url("https://10.0.0.1/")
    assert refused.value.detail == "10.0.0.1 is geen openbaar adres."
    assert "10.0.0.1/32" in refused.value.fix


def test_a_folder_that_is_no_maildir_is_refused_in_dutch(tmp_path):
    with pytest.raises(SourceError) as refused:
        Maildir(tmp_path)
    assert str(refused.value).startswith(f"{tmp_path} is not a Maildir")
    with override("nl"):
        said = refused.value.said(gettext)
    assert said.startswith(f"{tmp_path} is geen Maildir: de map new/ ontbreekt.")


def test_a_verb_refuses_in_the_language_of_who_asks(rows):
    thread = Thread.objects.latest("pk")
    tags = lifecycle.Changes(tags=[str(number) for number in range(60)])
    with override("nl"), pytest.raises(RefusedError) as refused:
        lifecycle.change(thread.pk, actor=SYSTEM, changes=tags)
    assert refused.value.detail == "Een thread heeft hoogstens 50 tags."


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("post", "/api/v1/webhooks", {"url": "https://10.0.0.1/", "events": ["x"]}),
        ("post", "/api/v1/webhooks", {"url": "https://10.0.0.1/"}),
        ("post", "/api/v1/webhooks", {}),
        ("get", "/api/v1/threads?status=dicht", None),
        ("get", "/api/v1/threads/niets", None),
        ("get", "/api/v1/openapi.json", None),
        ("put", "/api/v1/threads", {}),
        ("get", "/api/v1/nergens", None),
    ],
)
def test_the_api_answers_in_english_whatever_is_asked(db, method, path, body):
    key = ApiKey.objects.issue("test")[1]
    answers = []
    for language in ("en", "nl"):
        answer = Client().generic(
            method.upper(),
            path,
            "" if body is None else json.dumps(body),
            content_type="application/json",
            headers={
                "accept-language": language,
                "authorization": f"Bearer {key}",
                "x-request-id": "1",
            },
        )
        answers.append(answer)
    assert answers[0].content == answers[1].content
    assert answers[0].status_code == answers[1].status_code
    assert Webhook.objects.count() == 0
