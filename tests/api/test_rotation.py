"""POST /webhooks/:id/rotate-secret."""

from webhooks.models import Secret


def made(client):
    values = {"url": "https://example.com/hook", "events": ["thread.closed"]}
    return client.post("/api/v1/webhooks", values, format="json").json()


def test_the_new_secret_is_in_the_answer_and_the_old_one_still_signs(client):
    webhook = made(client)
    answer = client.post(f"/api/v1/webhooks/{webhook['id']}/rotate-secret")
    assert answer.status_code == 200
    fresh = answer.json()
    assert fresh["id"] == webhook["id"]
    assert fresh["secret"].startswith("whsec_")
    assert fresh["secret"] != webhook["secret"]
    live = {secret.value for secret in Secret.objects.live()}
    assert live == {fresh["secret"], webhook["secret"]}
    shown = client.get(f"/api/v1/webhooks/{webhook['id']}").json()
    assert "secret" not in shown


def test_an_idempotency_key_rotates_once(client):
    webhook = made(client)
    url = f"/api/v1/webhooks/{webhook['id']}/rotate-secret"
    headers = {"HTTP_IDEMPOTENCY_KEY": "once"}
    first = client.post(url, **headers).json()
    assert client.post(url, **headers).json()["secret"] == first["secret"]
    assert Secret.objects.count() == 2


def test_a_key_of_another_domain_or_scope_rotates_nothing(client, key):
    webhook = made(client)
    url = f"/api/v1/webhooks/{webhook['id']}/rotate-secret"
    assert key(domains=["other.nl"]).post(url).status_code == 404
    assert key(scopes=["threads:read"]).post(url).status_code == 403
    assert client.get(url).status_code == 405
    assert Secret.objects.count() == 1
