"""What people see when there is nothing to see: in their language, with a way on."""

import pytest

from threads.models import User


@pytest.fixture
def member(db):
    """Somebody of the staff whom nobody gave any right."""
    return User.objects.create_user("lid", "lid@shop.nl", is_staff=True, language="nl")


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/admin/webhooks/webhook/", 403, "Dit mag je niet zien of doen"),
        ("/admin/threads/nergens/", 404, "Deze pagina is er niet"),
        ("/admin/?q=%00", 400, "Dit adres is niet te begrijpen"),
    ],
)
def test_a_page_that_can_not_be_shown_says_why(client, member, path, status, words):
    client.force_login(member)
    answer = client.get(path, headers={"accept-language": "nl"})
    assert answer.status_code == status
    page = answer.content.decode()
    assert words in page
    assert 'href="/admin/"' in page
    assert answer.headers["x-request-id"] in page


def test_an_error_of_ours_shows_the_number_that_the_log_has(
    client, member, monkeypatch
):
    """No page may depend on what failed."""

    def broken(*_args, **_kwargs):
        raise ZeroDivisionError

    monkeypatch.setattr("threads.dashboard.page.fill", broken)
    client.raise_request_exception = False
    client.force_login(member)
    answer = client.get("/admin/")
    assert answer.status_code == 500
    assert "Hier ging iets mis" in answer.content.decode()
    assert answer.headers["x-request-id"] in answer.content.decode()
