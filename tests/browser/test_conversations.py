"""The staff read threads as conversations, and everything they do is one click."""

from email import message_from_bytes, policy

import pytest
from django.core.management import call_command
from playwright.sync_api import expect

from tests.desk import ANSWER, PIXEL, QUESTION, Desk, letter
from tests.mailservers import smtp_server
from threads import outbound
from threads.actors import SYSTEM
from threads.models import Message, Note, Thread
from webhooks.models import Event

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def desk(transactional_db):
    return Desk()


def address(thread):
    return f"/admin/threads/thread/{thread.public_id}/change/"


def told():
    return list(Event.objects.order_by("position").values_list("type", flat=True))


def test_a_thread_reads_as_a_conversation(open_site, desk, settings):
    settings.EMAIL_HOST = "127.0.0.1"
    first = desk.arrive(
        letter(QUESTION, files=[("factuur.pdf", "application/pdf", b"%PDF-1.7 x")])
    )
    ours = outbound.reply(
        first.thread_id, outbound.Reply(body="Er staan er twee."), actor=SYSTEM
    )
    newest = desk.arrive(
        letter(
            ANSWER,
            message_id="<2@bedrijf.nl>",
            in_reply_to=f"<{ours.message_id}>",
            subject="Re: Vraag over factuur 20418",
        )
    )
    page = open_site("en")
    page.goto(address(first.thread))
    shown = page.locator(".mb-letter")
    expect(shown).to_have_count(3)
    last = page.locator(f"#m-{newest.public_id}")
    expect(last).to_have_attribute("open", "")
    words = last.locator(".mb-words").first
    expect(words).to_contain_text("kan het btw-nummer erop?")
    expect(last.locator("summary").first).to_contain_text("fatima@bedrijf.nl")
    expect(last.get_by_text("Je hebt gelijk")).to_be_hidden()
    last.get_by_text("Quoted text").click()
    expect(last.get_by_text("Je hebt gelijk")).to_be_visible()
    last.get_by_text("Why is this here?").click()
    expect(last.get_by_text("It answers our own message")).to_be_visible()
    expect(shown.nth(1).locator("summary").first).to_contain_text("queued")
    shown.first.locator("summary").first.click()
    expect(shown.first.get_by_text("factuur.pdf")).to_be_visible()
    expect(shown.first.get_by_text("Kanaalweg 12")).to_be_hidden()
    with page.expect_download() as saved:
        shown.first.get_by_text("factuur.pdf").click()
    assert saved.value.suggested_filename == "factuur.pdf"
    with page.expect_download() as saved:
        last.get_by_text("Original message (.eml)").click()
    assert saved.value.suggested_filename == f"{newest.public_id}.eml"
    assert saved.value.path().read_bytes() == bytes(newest.original.content)


def test_a_reply_from_the_page_arrives(open_site, desk):
    message = desk.arrive(letter(QUESTION))
    with smtp_server() as sink:
        desk.mailbox.smtp = {"host": "127.0.0.1", "port": sink.port, "tls": "none"}
        desk.mailbox.save()
        page = open_site("en")
        page.goto(address(message.thread))
        expect(page.locator(".mb-who-gets")).to_contain_text("fatima@bedrijf.nl")
        page.get_by_label("Your reply").fill("Dag Fatima,\n\nDat klopt.\n")
        page.get_by_role("button", name="Send and close").click()
        page.get_by_text(
            "The reply is on its way, and the thread is closed."
        ).wait_for()
        expect(page.get_by_label("Your reply")).to_have_value("")
        call_command("deliver", "--once")
        page.reload()
        sent = page.locator(".mb-out").get_by_text("sent", exact=True)
        expect(sent).to_be_visible()
    assert len(sink.mails) == 1
    to, raw = sink.mails[0]
    mail = message_from_bytes(raw, policy=policy.default)
    assert to == ["fatima@bedrijf.nl"]
    assert mail["In-Reply-To"] == "<1@bedrijf.nl>"
    assert mail.get_content() == "Dag Fatima,\r\n\r\nDat klopt.\r\n"
    reply = Message.objects.get(direction="outbound")
    assert (reply.via, reply.author.email) == ("admin", "teamlid@shop.nl")
    assert Thread.objects.get().status == "closed"


def test_a_reply_takes_its_attachments_along(open_site, desk):
    message = desk.arrive(letter(QUESTION))
    picture = {"name": "kaart — één.png", "mimeType": "image/png", "buffer": PIXEL}
    text = {"name": "brief.txt", "mimeType": "text/plain", "buffer": b"Dag\n"}
    with smtp_server() as sink:
        desk.mailbox.smtp = {"host": "127.0.0.1", "port": sink.port, "tls": "none"}
        desk.mailbox.save()
        page = open_site("nl")
        page.goto(address(message.thread))
        page.get_by_label("Bijlagen toevoegen").set_input_files([picture, text])
        expect(page.locator("#mb-chosen li")).to_have_text(
            ["kaart — één.png · 0,1 MB", "brief.txt · 0,1 MB"]
        )
        page.get_by_label("Je antwoord").fill("Zie de bijlagen.")
        page.get_by_role("button", name="Antwoord versturen").click()
        page.get_by_text("Het antwoord is onderweg.").wait_for()
        call_command("deliver", "--once")
    mail = message_from_bytes(sink.mails[0][1], policy=policy.default)
    files = {one.get_filename(): one.get_content() for one in mail.iter_attachments()}
    assert files == {"kaart — één.png": PIXEL, "brief.txt": "Dag\n"}
    ours = page.locator(".mb-out")
    with page.expect_download() as saved:
        ours.get_by_text("kaart — één.png").click()
    assert saved.value.path().read_bytes() == PIXEL


def test_attachments_that_are_too_large_are_refused_before_they_are_sent(
    open_site, desk, tmp_path
):
    message = desk.arrive(letter(QUESTION))
    page = open_site("nl")
    page.goto(address(message.thread))
    film = tmp_path / "film.mp4"
    film.write_bytes(bytes(17_000_001))
    page.get_by_label("Bijlagen toevoegen").set_input_files(film)
    expect(page.locator("#mb-chosen")).to_contain_text("samen groter dan 17 MB")
    page.get_by_label("Je antwoord").fill("Zie de film.")
    page.get_by_role("button", name="Antwoord versturen").click()
    # Past the page's own check, the server says the same and keeps the words.
    page.locator("#mb-files").evaluate("input => input.setCustomValidity('')")
    page.get_by_role("button", name="Antwoord versturen").click()
    page.get_by_text("samen hoogstens 17 MB").first.wait_for()
    expect(page.get_by_label("Je antwoord")).to_have_value("Zie de film.")
    assert Message.objects.count() == 1


def test_a_refused_reply_keeps_its_words(open_site, desk):
    message = desk.arrive(letter(QUESTION))
    page = open_site("en")
    page.goto(address(message.thread))
    page.get_by_label("Your reply").fill("Een lang antwoord.")
    page.get_by_role("button", name="Send reply").click()
    page.get_by_text("This mailbox has no mail server to send with.").wait_for()
    expect(page.get_by_label("Your reply")).to_have_value("Een lang antwoord.")
    assert Message.objects.count() == 1


def test_a_draft_survives_another_button(open_site, desk):
    message = desk.arrive(letter(QUESTION))
    page = open_site("en")
    page.goto(address(message.thread))
    page.get_by_label("Your reply").fill("Half af")
    page.get_by_role("button", name="Assign to me").click()
    page.get_by_text("The thread is assigned to Teamlid.").wait_for()
    expect(page.get_by_label("Your reply")).to_have_value("Half af")


def test_close_assign_tag_prioritise_and_snooze(open_site, desk, staff):
    message = desk.arrive(letter(QUESTION))
    page = open_site("en")
    page.goto(address(message.thread))
    page.get_by_role("button", name="Close thread").click()
    page.get_by_text("The thread is closed.").wait_for()
    page.get_by_role("button", name="Reopen").click()
    page.get_by_text("The thread is open again.").wait_for()
    page.get_by_label("Assignee").select_option(label="Teamlid")
    page.get_by_text("The thread is assigned to Teamlid.").wait_for()
    page.get_by_label("Priority").select_option("urgent")
    page.get_by_text("The priority is saved.").wait_for()
    page.get_by_placeholder("Add tag").fill("factuur, btw")
    page.get_by_role("button", name="Add", exact=True).click()
    page.get_by_label("Take off the tag btw").click()
    expect(page.get_by_label("Take off the tag btw")).to_have_count(0)
    page.get_by_text("The tags are saved.").wait_for()
    page.get_by_role("button", name="tomorrow").click()
    page.get_by_text("The thread is snoozed.").wait_for()
    page.get_by_role("button", name="Mark as spam").click()
    page.get_by_text("The thread is marked as spam.").wait_for()
    page.get_by_role("button", name="Not spam").click()
    page.get_by_text("The thread is open again.").wait_for()
    thread = Thread.objects.get()
    assert (thread.status, thread.assignee, thread.priority) == (
        "open",
        staff,
        "urgent",
    )
    assert [tag.name for tag in thread.tags.all()] == ["factuur"]
    assert thread.snoozed_until is not None
    assert told()[2:] == [
        "thread.closed",
        "thread.reopened",
        "thread.assigned",
        *["thread.updated"] * 5,
        "thread.reopened",
    ]
    line = page.locator(".mb-history li", has_text="Assigned to Teamlid")
    expect(line.locator(".mb-quiet")).to_contain_text("Teamlid")


def test_a_note_is_shown_and_never_mailed(open_site, desk):
    message = desk.arrive(letter(QUESTION))
    page = open_site("en")
    page.goto(address(message.thread))
    page.locator("label[for=mb-kind-note]").click()
    page.get_by_role("textbox", name="Internal note").fill("Klant is boos.")
    page.get_by_role("button", name="Save note").click()
    page.get_by_text("The note is saved; it is not mailed.").wait_for()
    note = page.locator(".mb-note").get_by_text("Klant is boos.")
    expect(note).to_be_visible()
    assert Note.objects.get().author.email == "teamlid@shop.nl"
    assert Message.objects.count() == 1


def test_split_and_merge_again(open_site, desk):
    first = desk.arrive(letter(QUESTION))
    second = desk.arrive(
        letter("Iets anders.\n", message_id="<2@b>", in_reply_to="<1@bedrijf.nl>")
    )
    page = open_site("en")
    page.goto(address(first.thread))
    page.locator(f"#m-{second.public_id}").get_by_text("Split from here").click()
    page.get_by_text("This is the new thread, split from the other.").wait_for()
    second.refresh_from_db()
    assert second.thread != first.thread
    page.get_by_role("link", name="Merge").click()
    page.get_by_role("button", name="Merge into this one").click()
    page.get_by_text("The threads are merged; this is the one that stays.").wait_for()
    assert first.thread.public_id in page.url
    assert told()[-2:] == ["thread.split", "thread.merged"]
    page.goto(address(second.thread))
    assert first.thread.public_id in page.url


def test_remote_content_is_held_back_until_asked_for(open_site, desk, live_server):
    html = (
        "<p>Aanbieding</p><img src='https://volger.example/p.gif'>"
        "<img src='cid:logo' alt='logo'>"
        "<div style='background:url(https://volger.example/b.gif)'>x</div>"
        "<table background='https://volger.example/t.gif'><tr><td>y</td></tr></table>"
        "<link rel=stylesheet href='https://volger.example/s.css'>"
        "<style>@import 'https://volger.example/i.css'</style>"
        "<video poster='https://volger.example/v.gif'></video>"
    )
    message = desk.arrive(letter("", html=html, pictures=[("logo", PIXEL)]))
    page = open_site("en")
    page.goto(address(message.thread))
    frame = page.frame_locator(".mb-html iframe")
    frame.get_by_text("Aanbieding").wait_for()
    own = frame.get_by_alt_text("logo")
    expect(own).to_have_js_property("naturalWidth", 1)
    assert "volger" not in frame.locator("body").inner_html()
    # What is asked for may be fetched: the browser would, were it let out.
    asked = []
    page.route("https://volger.example/**", lambda r: (asked.append(r), r.abort()))
    url = f"{live_server.url}/admin/threads/message/{message.public_id}/html/"
    answer = page.request.get(f"{url}?pictures=1")
    policy = answer.headers["content-security-policy"]
    assert "img-src data: https:;" in policy
    assert "https://volger.example/p.gif" in answer.text()
    held = page.request.get(url).headers["content-security-policy"]
    assert "img-src data:;" in held
    assert "sandbox" in held
    assert "default-src 'none'" in held
    assert asked == []


HOSTILE = '"><script>window.hacked=1</script><img src=x onerror=window.hacked=1>'


def test_hostile_mail_runs_no_script_and_reaches_nobody(open_site, desk):
    html = (
        f"{HOSTILE}<svg onload=window.hacked=1></svg>"
        "<a href='javascript:hacked=1'>l</a>"
        "<iframe src='javascript:parent.hacked=1'></iframe><form action='//x.example'>"
        "<base href='//x.example'><meta http-equiv=refresh content='0;url=//x.example'>"
        "<a id=form name=__proto__ class='submit-row'>x</a><object data='//x.example'>"
    )
    raw = letter(
        f"{HOSTILE}\n> {HOSTILE}\n-- \n{HOSTILE}\nhttps://x.nl/{HOSTILE}\n",
        html=html,
        files=[("x.html", "text/html", b"<script>alert(1)</script>")],
    )
    raw = raw.replace(b"Fatima el Amrani", HOSTILE.replace('"', "'").encode())
    raw = raw.replace(b"Vraag over factuur 20418", HOSTILE.encode())
    raw = raw.replace(b"x.html", b"<img src=x onerror=hacked=1>.html")
    raw = raw.replace(b"<1@bedrijf.nl>", b"<'onx=1><script>hacked=1</script>@x>")
    message = desk.arrive(raw)
    thread = message.thread
    page = open_site("en")
    for url in (
        "/admin/threads/thread/",
        address(thread),
        f"/admin/threads/thread/{thread.public_id}/merge/?q={HOSTILE}",
        f"/admin/threads/customer/{thread.customer_id}/change/",
        "/admin/threads/customer/",
        f"/admin/threads/thread/?q={HOSTILE}&queue={HOSTILE}",
    ):
        page.goto(url)
        page.wait_for_load_state("networkidle")
        assert page.evaluate("window.hacked") is None, url
    page.goto(address(thread))
    page.locator(".mb-html > summary").click()
    frame = page.frame_locator(".mb-html iframe")
    frame.locator("body").wait_for()
    text = frame.locator("body").inner_html()
    for trick in (
        "script",
        "onerror",
        "javascript:",
        "<form",
        "<base",
        "<meta",
        "<obj",
    ):
        assert trick not in text, trick
    inside = page.request.get(f"/admin/threads/message/{message.public_id}/html/")
    assert inside.headers["x-frame-options"] == "SAMEORIGIN"
    attachment = message.attachment_set.get()
    saved = page.request.get(
        f"/admin/threads/message/attachment/{attachment.public_id}/"
    )
    assert saved.headers["content-disposition"].startswith("attachment")
    assert saved.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in saved.headers["content-security-policy"]


def test_the_list_has_queues_search_and_bulk_actions(open_site, desk, staff):
    for number, subject in enumerate(("Eerste", "Tweede", "Derde")):
        sender = f"Klant {number} <klant{number}@x.nl>"
        desk.arrive(
            letter(subject=subject, sender=sender, message_id=f"<{number}@x.nl>")
        )
    page = open_site("en")
    page.goto("/admin/threads/thread/?queue=waiting")
    rows = page.locator("#result_list tbody tr")
    expect(rows).to_have_count(3)
    page.locator("tr", has_text="Tweede").locator("input.action-select").check()
    page.locator("select[name=action]").select_option("assign_to_me")
    page.get_by_role("button", name="Run").click()
    page.get_by_text("1 thread changed.").wait_for()
    page.get_by_role("link", name="My threads").click()
    page.wait_for_url("**queue=mine")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("Tweede")
    page.get_by_role("link", name="Unassigned").click()
    page.wait_for_url("**queue=unassigned")
    expect(rows).to_have_count(2)
    for term in ("derde", "klant2@x.nl", "<2@x.nl>"):
        page.goto(f"/admin/threads/thread/?q={term}")
        expect(rows, term).to_have_count(1)
        expect(page.get_by_role("link", name="Derde")).to_be_visible()
    page.goto("/admin/threads/thread/")
    page.locator("#action-toggle").check()
    page.locator("select[name=action]").select_option("add_tag")
    page.locator("input[name=tag]").fill("actie")
    page.get_by_role("button", name="Run").click()
    page.get_by_text("3 threads changed.").wait_for()
    assert Thread.objects.filter(tags__name="actie").count() == 3
    page.goto("/admin/threads/thread/")
    page.locator("#action-toggle").check()
    page.locator("select[name=action]").select_option("close_threads")
    page.get_by_role("button", name="Run").click()
    page.get_by_text("3 threads changed.").wait_for()
    assert told().count("thread.closed") == 3


def test_a_customers_page_leads_to_a_reply(open_site, desk):
    desk.arrive(letter(QUESTION))
    newest = desk.arrive(letter(subject="Nog iets", message_id="<9@bedrijf.nl>"))
    page = open_site("en")
    page.goto(f"/admin/threads/customer/{newest.thread.customer_id}/change/")
    expect(page.locator(".mb-list li")).to_have_count(2)
    expect(page.get_by_text("fatima@bedrijf.nl")).to_be_visible()
    page.get_by_role("link", name="Reply in the newest thread").click()
    page.wait_for_url("**#reply")
    assert newest.thread.public_id in page.url


@pytest.mark.parametrize("language", ["nl", "en"])
def test_nothing_is_wider_than_a_telephone(open_site, desk, language):
    long = "x" * 300
    message = desk.arrive(
        letter(
            f"{long}\nhttps://x.nl/{long}\n",
            html=f"<table width=2000><tr><td>{long}</td></tr></table>",
            subject=f"Onderwerp {long}",
            sender=f"{long[:60]} <{long[:60]}@x.nl>",
            files=[(f"{long[:100]}.pdf", "application/pdf", b"x")],
        )
    )
    page = open_site(language, width=380)
    for url in (
        address(message.thread),
        f"/admin/threads/customer/{message.thread.customer_id}/change/",
        f"/admin/threads/thread/{message.thread.public_id}/merge/",
        "/admin/threads/thread/",
    ):
        page.goto(url)
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= 380, url
