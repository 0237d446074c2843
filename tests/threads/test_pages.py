"""The staff's pages: how many statements, who may, and what refuses."""

import re
from datetime import timedelta
from html import escape, unescape

import pytest
from django.apps import apps
from django.contrib.auth.models import Group, Permission
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from tests.desk import PIXEL, QUESTION, Desk, letter
from tests.staff import pages
from threads import joining, outbound
from threads.access import groups
from threads.actors import SYSTEM
from threads.mail.display import html_for_frame
from threads.models import Message, Note, Tag, Team, Thread, User
from threads.serializers import message_json
from webhooks import subscriptions
from webhooks.admin import base
from webhooks.models import Event

pytestmark = pytest.mark.django_db(transaction=True)
MOST_STATEMENTS = 12


@pytest.fixture(autouse=True)
def plain_files(settings):
    plain = "django.contrib.staticfiles.storage.StaticFilesStorage"
    settings.STORAGES = {**settings.STORAGES, "staticfiles": {"BACKEND": plain}}


@pytest.fixture
def desk(transactional_db):
    return Desk()


@pytest.fixture
def clerk(db):
    """Not a superuser: permissions cost statements too."""
    user = User.objects.create_user("bas", "bas@shop.nl", "x", is_staff=True)
    names = ("view_thread", "change_thread", "view_customer", "view_tag")
    user.user_permissions.set(Permission.objects.filter(codename__in=names))
    return user


@pytest.fixture
def desk_full(desk, settings):
    """A long thread of one customer, and many threads of others."""
    settings.EMAIL_HOST = "127.0.0.1"
    settings.WEBHOOK_ALLOWED_NETWORKS = ["127.0.0.0/8"]
    subscriptions.create(
        {"url": "http://127.0.0.1:9999/", "events": ["message.received"]}
    )
    first = desk.arrive(letter(QUESTION, files=[("a.pdf", "application/pdf", b"x")]))
    for ten in range(6):
        desk.arrive_all(
            letter(
                f"{ten}{number}\n",
                message_id=f"<r{ten}{number}@x>",
                in_reply_to="<1@bedrijf.nl>",
                files=[("b.pdf", "application/pdf", b"x")],
            )
            for number in range(10)
        )
        outbound.reply(first.thread_id, outbound.Reply(body="Dank."), actor=SYSTEM)
        Note.objects.create(mailbox=desk.mailbox, thread=first.thread, body="x")
    others = desk.arrive_all(
        letter(sender=f"K{number} <k{number}@y.nl>", message_id=f"<o{number}@y>")
        for number in range(55)
    )
    for number, message in enumerate(others):
        tag, _ = Tag.objects.get_or_create(name=f"tag {number % 7}")
        message.thread.tags.add(tag)
    return first.thread


def addresses(thread):
    page = reverse("admin:threads_thread_change", args=[thread.public_id])
    older = thread.messages.order_by("-pk")[45].public_id
    return {
        "list": reverse("admin:threads_thread_changelist"),
        "mine": reverse("admin:threads_thread_changelist") + "?queue=mine",
        "waiting": reverse("admin:threads_thread_changelist") + "?queue=waiting",
        "search": reverse("admin:threads_thread_changelist") + "?q=factuur",
        "thread": page,
        "older": f"{page}?before={older}",
        "merge": reverse("admin:threads_thread_merge", args=[thread.public_id]),
        "customer": reverse("admin:threads_customer_change", args=[thread.customer_id]),
        "customers": reverse("admin:threads_customer_changelist"),
        "tags": reverse("admin:threads_tag_changelist"),
    }


@pytest.mark.parametrize("who", ["superuser", "clerk"])
def test_every_page_is_a_bounded_number_of_statements(
    client, clerk, desk_full, who, django_assert_max_num_queries, admin_user
):
    client.force_login(clerk if who == "clerk" else admin_user)
    for name, url in addresses(desk_full).items():
        with django_assert_max_num_queries(MOST_STATEMENTS) as counted:
            answer = client.get(url)
        assert answer.status_code == 200, name
        assert len(counted) > 2, name


def test_every_page_that_links_lead_to_is_a_bounded_number_of_statements(
    client, admin_user, desk_full, django_assert_max_num_queries
):
    """All of the menu, and of each kind of row the page, its history, its deletion."""
    client.force_login(admin_user)
    found = list(pages(client))
    assert "/admin/webhooks/webhook/" in found
    assert len(found) > 40
    for path in found:
        with django_assert_max_num_queries(MOST_STATEMENTS, info=path):
            client.get(path)


def test_a_count_that_stopped_says_more_than(client, admin_user, desk, monkeypatch):
    monkeypatch.setattr(base, "MOST_COUNTED", 2)
    client.force_login(admin_user)
    url = reverse("admin:threads_thread_changelist")
    for number, said in enumerate(["1 resultaat", "2 result", "meer dan 2 resultaten"]):
        desk.arrive(letter(message_id=f"<{number}@x>", subject=f"Lamp {number}"))
        shown = client.get(url).content.decode()
        assert said in shown
        assert ("meer dan" in shown) == (number == 2)


@pytest.mark.parametrize("term", ["vraag", "is er niet"])
def test_a_search_reads_the_table_once_for_its_count_and_its_page(
    client, admin_user, desk_full, term
):
    client.force_login(admin_user)
    url = reverse("admin:threads_thread_changelist")
    subject = Thread.objects.filter(subject__icontains=term)
    with CaptureQueriesContext(connection) as statements:
        rows = client.get(url, {"q": term}).context["cl"].result_list
    sought = [s for s in statements if f"%{term}%" in s["sql"].lower()]
    # The customers; the threads' keys; and the rows of this page, by key.
    assert len([s for s in sought if "LIMIT 1001" in s["sql"]]) == 1
    assert len(sought) <= 3
    assert [row.pk for row in rows] == list(
        subject.order_by("-last_message_id").values_list("pk", flat=True)[:40]
    )
    rest = client.get(url, {"q": term, "p": 2}).context["cl"].result_list
    assert len(rows) + len(rest) >= subject.count()


def shown(answer):
    return [row.pk for row in answer.context["cl"].result_list]


def test_a_list_that_became_shorter_shows_its_last_page(client, admin_user, desk_full):
    """With the filters and the search that were chosen."""
    client.force_login(admin_user)
    url = reverse("admin:threads_thread_changelist")
    asked = {"q": "vraag", "queue": "unassigned"}
    last = client.get(url, {**asked, "p": 2})
    assert shown(last)
    beyond = client.get(url, {**asked, "p": 99})
    assert beyond.status_code == 200
    assert shown(beyond) == shown(last)
    assert beyond.context["cl"].page_num == 2
    done = client.post(
        f"{url}?q=vraag&queue=unassigned&p=2",
        {"action": "assign_to_me", "_selected_action": shown(last)},
        follow=True,
    )
    assert done.redirect_chain == [(f"{url}?q=vraag&queue=unassigned&p=2", 302)]
    assert len(shown(done)) == 40
    events = client.get(reverse("admin:webhooks_event_changelist"), {"p": 99})
    assert shown(events)


def test_a_thread_with_two_tags_stands_once_in_the_list(client, admin_user, desk):
    thread = desk.arrive(letter()).thread
    tags = [Tag.objects.create(name=name) for name in ("a", "b")]
    thread.tags.set(tags)
    client.force_login(admin_user)
    url = reverse("admin:threads_thread_changelist")
    answer = client.get(f"{url}?tags__id__in={tags[0].pk},{tags[1].pk}")
    assert shown(answer) == [thread.pk]
    assert answer.context["cl"].result_count == 1


def test_what_a_colleague_took_away_in_between_is_said(client, admin_user, desk):
    thread = desk.arrive(letter()).thread
    client.force_login(admin_user)
    url = f"{reverse('admin:threads_thread_changelist')}?queue=unassigned"
    Thread.objects.update(assignee=admin_user)
    chosen = {"action": "close_threads", "_selected_action": [thread.pk]}
    answer = client.post(url, chosen, follow=True)
    said = [str(message) for message in answer.context["messages"]]
    assert said == ["Niets gewijzigd: wat je koos, staat niet meer in deze lijst."]
    assert Thread.objects.get().status == "open"


def test_numbers_beside_filters_are_not_counted(client, admin_user, desk_full):
    """Each is a count of the whole table; nobody is its own choice, with a name."""
    client.force_login(admin_user)
    url = f"{reverse('admin:threads_thread_changelist')}?_facets=True"
    with CaptureQueriesContext(connection) as statements:
        page = client.get(url).content.decode()
    assert len(statements) <= MOST_STATEMENTS
    assert "Aantallen tonen" not in page
    assert "assignee__isnull=True" in page
    choice = page.partition("assignee__isnull=True")[2].partition("</a>")[0]
    assert "Niet toegewezen" in choice


def test_the_number_of_a_tag_is_that_of_its_list(client, admin_user, desk):
    """What was merged away or is spam bears it still, and stands in no list."""
    tag = Tag.objects.create(name="factuur")
    rows = [desk.arrive(letter(message_id=f"<{n}@x>")).thread for n in range(3)]
    for row in rows:
        row.tags.add(tag)
    joining.merge(rows[0].pk, rows[1].pk, actor=SYSTEM)
    Thread.objects.filter(pk=rows[2].pk).update(status="spam")
    client.force_login(admin_user)
    page = client.get(reverse("admin:threads_tag_changelist")).content.decode()
    url = f"{reverse('admin:threads_thread_changelist')}?tags__id__exact={tag.pk}"
    assert f'{url}">1</a>' in page
    assert client.get(url).context["cl"].result_count == 1


def test_from_a_thread_one_goes_back_to_the_list_one_came_from(
    client, admin_user, desk
):
    desk.arrive(letter())
    client.force_login(admin_user)
    lists = reverse("admin:threads_thread_changelist")
    page = client.get(f"{lists}?queue=unassigned&q=factuur").content.decode()
    found = re.search(r'href="(/admin/threads/thread/\w+/change/\?[^"]+)"', page)
    thread = client.get(unescape(found[1])).content.decode()
    back = f'href="{lists}?queue=unassigned&amp;q=factuur"'
    assert back in thread
    close = re.search(r'action="([^"]+/do/close/[^"]*)"', thread)
    closed = client.post(unescape(close[1]), follow=True).content.decode()
    assert "De thread is afgesloten." in closed
    assert back in closed


def test_our_groups_are_named_for_people_and_keep_their_name(client, admin_user):
    groups.refresh(apps)
    ours = Group.objects.get(name=groups.TEAM_MEMBER)
    client.force_login(admin_user)
    url = reverse("admin:auth_group_change", args=[ours.pk])
    for page in (url, reverse("admin:auth_group_changelist")):
        said = client.get(page).content.decode()
        assert "teamlid" in said
        assert groups.TEAM_MEMBER not in said
    client.post(url, {"name": "Iets anders", "permissions": []})
    gone = reverse("admin:auth_group_delete", args=[ours.pk])
    assert client.post(gone, {"post": "yes"}).status_code == 403
    assert Group.objects.get(pk=ours.pk).name == groups.TEAM_MEMBER


def test_a_long_thread_shows_its_newest_messages_and_leads_to_the_older(
    client, admin_user, desk_full
):
    client.force_login(admin_user)
    url = reverse("admin:threads_thread_change", args=[desk_full.public_id])
    page = client.get(url).context["page"]
    letters = [entry for entry in page.stream if not entry.is_note]
    assert len(letters) == 50
    assert page.earlier == Message.objects.filter(thread=desk_full).count() - 50
    older = client.get(f"{url}?before={page.earlier_cursor}").context["page"]
    before = [entry for entry in older.stream if not entry.is_note]
    assert before[-1].message.pk < letters[0].message.pk
    assert (older.earlier, before[0].first) == (0, True)


def test_who_may_only_look_presses_no_button(client, clerk, desk):
    clerk.user_permissions.set(Permission.objects.filter(codename="view_thread"))
    message = desk.arrive(letter(QUESTION))
    client.force_login(clerk)
    page = reverse("admin:threads_thread_change", args=[message.thread.public_id])
    answer = client.get(page)
    assert answer.status_code == 200
    assert b"Send reply" not in answer.content
    act = reverse("admin:threads_thread_do", args=[message.thread.public_id, "close"])
    split = reverse("admin:threads_message_split", args=[message.public_id])
    assert client.post(act).status_code == 403
    assert client.post(split).status_code == 403
    assert Thread.objects.get().status == "open"


def test_who_may_not_look_sees_nothing(client, clerk, desk):
    clerk.user_permissions.clear()
    message = desk.arrive(letter(QUESTION, files=[("a.pdf", "application/pdf", b"x")]))
    client.force_login(clerk)
    attachment = message.attachment_set.get().public_id
    for name, argument in (
        ("thread_change", message.thread.public_id),
        ("thread_merge", message.thread.public_id),
        ("message_change", message.public_id),
        ("message_html", message.public_id),
        ("message_original", message.public_id),
        ("message_attachment", attachment),
        ("customer_change", message.thread.customer_id),
    ):
        url = reverse(f"admin:threads_{name}", args=[argument])
        assert client.get(url).status_code == 403, name


@pytest.mark.parametrize("verb", ["close", "reply", "note", "merge", "spam"])
def test_a_button_is_a_post_with_a_token(desk, admin_user, verb):
    message = desk.arrive(letter(QUESTION))
    client = Client(enforce_csrf_checks=True)
    client.force_login(admin_user)
    url = reverse("admin:threads_thread_do", args=[message.thread.public_id, verb])
    page = reverse("admin:threads_thread_change", args=[message.thread.public_id])
    assert client.get(url).headers["location"] == page
    assert client.post(url).status_code == 403
    message.thread.refresh_from_db()
    assert message.thread.status == "open"


def test_two_clicks_at_the_same_moment_are_one_mail(client, admin_user, desk, settings):
    settings.EMAIL_HOST = "127.0.0.1"
    message = desk.arrive(letter(QUESTION))
    client.force_login(admin_user)
    url = reverse("admin:threads_thread_do", args=[message.thread.public_id, "reply"])
    for _ in range(2):
        client.post(url, {"body": "Dank", "once": "abc", "send": "send"})
    assert Message.objects.filter(direction="outbound").count() == 1
    client.post(url, {"body": "Dank", "once": "abd", "send": "send"})
    assert Message.objects.filter(direction="outbound").count() == 2


def test_who_did_not_see_the_newest_message_reads_it_first(
    client, admin_user, desk, settings
):
    settings.EMAIL_HOST = "127.0.0.1"
    message = desk.arrive(letter(QUESTION))
    client.force_login(admin_user)
    page = reverse("admin:threads_thread_change", args=[message.thread.public_id])
    url = reverse("admin:threads_thread_do", args=[message.thread.public_id, "reply"])
    assert 'name="seen" value="1"' in client.get(page).content.decode()
    form = {"body": "Dank", "once": "mine", "seen": "1", "send": "send"}
    theirs = {"body": "Ik was eerder", "once": "theirs", "seen": "1", "send": "send"}
    client.post(url, theirs)
    # Twice the same click is no news to who clicked.
    client.post(url, theirs)
    refused = client.post(url, form)
    assert refused.status_code == 422
    said = refused.content.decode()
    assert "een nieuw bericht. Lees het" in said
    assert "Ik was eerder" in said
    assert ">Dank</textarea>" in said
    assert 'name="seen" value="2"' in said
    assert client.post(url, {**form, "seen": "2"}).status_code == 302
    assert Message.objects.filter(direction="outbound").count() == 2


def test_named_recipients_get_the_reply(client, admin_user, desk, settings):
    settings.EMAIL_HOST = "127.0.0.1"
    message = desk.arrive(letter(QUESTION))
    client.force_login(admin_user)
    url = reverse("admin:threads_thread_do", args=[message.thread.public_id, "reply"])
    client.post(url, {"body": "Dank", "to": "a@x.nl; b@x.nl", "cc": "c@x.nl"})
    sent = Message.objects.get(direction="outbound")
    known = set(sent.recipients.values_list("address", flat=True))
    assert known == {"a@x.nl", "b@x.nl", "c@x.nl"}


@pytest.mark.parametrize("field", ["to", "cc", "bcc"])
@pytest.mark.parametrize("wrong", ["jan", "a@x.nl, piet", "Jansen, Jan <a@x.nl>"])
def test_what_is_no_address_is_not_left_out_in_silence(
    client, admin_user, desk, settings, field, wrong
):
    settings.EMAIL_HOST = "127.0.0.1"
    message = desk.arrive(letter(QUESTION))
    client.force_login(admin_user)
    url = reverse("admin:threads_thread_do", args=[message.thread.public_id, "reply"])
    bill = SimpleUploadedFile("factuur.pdf", b"%PDF")
    answer = client.post(url, {"body": "Dank", field: wrong, "files": bill})
    assert answer.status_code == 422
    page = answer.content.decode()
    assert "Kies de bijlagen opnieuw" in page
    assert "is geen e-mailadres" in page
    assert f'value="{escape(wrong)}"' in page
    assert not Message.objects.filter(direction="outbound").exists()


def test_a_thread_to_merge_with_is_found_by_the_address_of_its_page(
    client, admin_user, desk
):
    one = desk.arrive(letter()).thread
    other = desk.arrive(letter(sender="b@y.nl", message_id="<2@x>")).thread
    client.force_login(admin_user)
    page = reverse("admin:threads_thread_change", args=[other.public_id])
    url = reverse("admin:threads_thread_merge", args=[one.public_id])
    for asked in (f"http://localhost{page}#reply", other.public_id):
        assert list(client.get(url, {"q": asked}).context["found"]) == [other]


def test_an_empty_note_is_refused_where_it_is_written(client, admin_user, desk):
    thread = desk.arrive(letter()).thread
    client.force_login(admin_user)
    url = reverse("admin:threads_thread_do", args=[thread.public_id, "note"])
    page = client.post(url, {"note": ""}).content.decode()
    assert 'id="mb-kind-note" checked' in page
    assert 'id="mb-kind-reply" checked' not in page


def test_a_refusal_of_one_thread_is_named_and_stops_no_other(client, admin_user, desk):
    full = desk.arrive(letter(subject="Vol")).thread
    other = desk.arrive(letter(subject="Leeg", message_id="<2@x>")).thread
    full.tags.set(Tag.objects.create(name=f"t{number}") for number in range(50))
    client.force_login(admin_user)
    url = reverse("admin:threads_thread_changelist")
    answer = client.post(
        url,
        {
            "action": "add_tag",
            "tag": "nieuw",
            "_selected_action": [full.pk, other.pk],
        },
        follow=True,
    )
    said = [str(message) for message in answer.context["messages"]]
    assert said[0] == "1 thread gewijzigd."
    assert said[1].startswith("Vol: Een thread heeft hoogstens 50 tags.")
    assert [tag.name for tag in other.tags.all()] == ["nieuw"]


def test_a_snooze_ends_in_the_future(client, admin_user, desk):
    thread = desk.arrive(letter(QUESTION)).thread
    client.force_login(admin_user)
    url = reverse("admin:threads_thread_do", args=[thread.public_id, "snooze"])
    for wrong in (
        *("2001-01-01T09:00", "nonsense", "2026-99-99T09:00", ""),
        *("9999-12-31T23:59", "9999-12-31T23:59-23:00", "0001-01-01T00:00+23:00"),
    ):
        client.post(url, {"for": "until", "until": wrong})
        thread.refresh_from_db()
        assert thread.snoozed_until is None
    soon = timezone.localtime() + timedelta(days=2)
    client.post(url, {"for": "until", "until": soon.strftime("%Y-%m-%dT%H:%M")})
    thread.refresh_from_db()
    assert thread.snoozed_until == soon.replace(second=0, microsecond=0)
    client.post(url, {})
    thread.refresh_from_db()
    assert thread.snoozed_until is None


def test_only_the_staff_are_assigned_to(client, admin_user, clerk, desk):
    thread = desk.arrive(letter(QUESTION)).thread
    client.force_login(admin_user)
    url = reverse("admin:threads_thread_do", args=[thread.public_id, "assign"])
    client.post(url, {"user": str(clerk.pk)}, follow=True)
    for wrong in ("999999", "9" * 5000, "9" * 19, "²", "٣", "-1", "nobody"):
        answer = client.post(url, {"user": wrong}, follow=True)
        said = [message.level_tag for message in answer.context["messages"]]
        assert said == ["error"], wrong
        thread.refresh_from_db()
        assert thread.assignee == clerk
    client.post(url, {"user": ""})
    thread.refresh_from_db()
    assert thread.assignee is None


def test_the_messages_address_leads_to_its_place(client, admin_user, desk):
    message = desk.arrive(letter(QUESTION))
    client.force_login(admin_user)
    url = reverse("admin:threads_message_change", args=[message.public_id])
    answer = client.get(url)
    assert answer.status_code == 302
    assert answer["Location"].endswith(f"#m-{message.public_id}")
    assert client.get("/admin/threads/thread/c000/change/").status_code == 404
    assert client.get("/admin/threads/message/c000/html/").status_code == 404


def test_a_tag_in_use_is_not_deleted_behind_its_threads(client, admin_user, desk):
    thread = desk.arrive(letter(QUESTION)).thread
    used, free = Tag.objects.create(name="a"), Tag.objects.create(name="b")
    thread.tags.add(used)
    client.force_login(admin_user)
    before = Event.objects.count()
    for tag, status in ((used, 403), (free, 302)):
        url = reverse("admin:threads_tag_delete", args=[tag.pk])
        assert client.post(url, {"post": "yes"}).status_code == status
    assert list(Tag.objects.all()) == [used]
    assert Event.objects.count() == before


def test_what_is_protected_or_repaired_says_so(client, admin_user, desk):
    letters = {
        "encrypted": letter("-----BEGIN PGP MESSAGE-----\n\nhQ\n"),
        "signed": letter("-----BEGIN PGP SIGNED MESSAGE-----\n\nHallo\n"),
        "repaired": letter("Een cafÃ© graag.\n"),
        "": letter("Een café graag.\n"),
    }
    words = {
        "encrypted": "versleuteld",
        "signed": "ondertekend",
        "repaired": "hersteld",
    }
    client.force_login(admin_user)
    for number, (flag, raw) in enumerate(letters.items()):
        other = b"<%d@y.nl>" % number
        message = desk.arrive(raw.replace(b"<1@bedrijf.nl>", other))
        shown = message_json(message)
        told = [shown["protection"], "repaired" if shown["repaired"] else ""]
        assert "".join(told) == flag
        thread = message.thread
        url = reverse("admin:threads_thread_change", args=[thread.public_id])
        page = "".join(client.get(url).content.decode().split())
        for one, word in words.items():
            assert (f">{word}<" in page) == (one == flag)


# --- The frame ------------------------------------------------------------------


def test_the_mails_own_drawings_are_shown_and_no_documents():
    raw = letter("", html='<img src="cid:a"><img src="cid:b">', pictures=[("a", PIXEL)])
    assert "data:image/png;base64," in html_for_frame(raw, pictures=False)
    svg = raw.replace(b"Content-Type: image/png", b"Content-Type: image/svg+xml")
    assert "data:" not in html_for_frame(svg, pictures=True)
    assert html_for_frame(letter(QUESTION), pictures=True) == ""


@pytest.mark.parametrize(
    "html",
    [
        '<img src="cid:a&quot;><script>x</script>">',
        '<img src="data:text/html,<script>x</script>">',
        '<p style="background:url(https://x)">x</p>',
        r'<p style="color:\75rl(https://x)">x</p>',
        '<a href="//evil.example">x</a>',
        '<div style="position:fixed;top:0">x</div>',
        "<div>" * 50_000,
        "<a href='" * 20_000,
    ],
)
def test_tricks_do_not_reach_the_frame(html):
    shown = html_for_frame(letter("", html=html), pictures=True)
    for trick in ("<script", "url(", "evil", "position", "text/html", "75rl"):
        assert trick not in shown


def test_a_thread_is_given_to_a_team_on_its_page(client, admin_user, desk):
    thread = desk.arrive(letter()).thread
    page = reverse("admin:threads_thread_change", args=[thread.public_id])
    client.force_login(admin_user)
    assert 'name="team"' not in client.get(page).content.decode()
    team = Team.objects.create(name="Inkoop")
    Tag.objects.create(name="Inkooporder")
    assert f'<option value="{team.pk}">Inkoop<' in client.get(page).content.decode()
    do = reverse("admin:threads_thread_do", args=[thread.public_id, "team"])
    client.post(do, {"team": team.pk})
    thread.refresh_from_db()
    assert thread.team == team
    assert "Team: – → Inkoop" in client.get(page).content.decode()
    client.post(do, {"team": "99999"})
    thread.refresh_from_db()
    assert thread.team == team
    client.post(do, {"team": ""})
    thread.refresh_from_db()
    assert thread.team is None
