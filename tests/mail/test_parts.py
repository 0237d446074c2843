"""What was listed of a mail can be read again, under the same number."""

import pytest

from tests.mails import mail
from threads.mail.display import html_for_frame
from threads.mail.parse import parse
from threads.mail.parts import attachment

PDF = b"%PDF-1.7 een factuur"
HTML = b"Content-Type: text/html\n\n<p>Hallo</p>\n"


@pytest.mark.parametrize(
    "envelope",
    [
        b"",
        b"\n\n",
        b"\r\n",
        b"\xef\xbb\xbf\r\n",
        b"From a@b.nl Wed Feb 25 10:30:00 2026\n",
        b">From a@b.nl Wed Feb 25 10:30:00 2026\r\n",
        b"\nFrom a@b.nl Wed Feb 25 10:30:00 2026\n",
    ],
)
def test_an_envelope_line_hides_no_attachment_and_no_html(envelope):
    raw = envelope + mail(attachment=("factuur.pdf", PDF))
    (listed,) = parse(raw).attachments
    assert attachment(raw, listed.part) == PDF
    assert html_for_frame(envelope + HTML, pictures=False).strip() == "<p>Hallo</p>"


def test_an_mbox_line_that_a_lone_cr_ends_takes_only_itself():
    assert parse(b"From a@b.nl Wed\rSubject: s\r\rbody\r").subject == "s"
