"""The staff site as somebody meets it who opens every page."""

import re

from django.apps import apps
from django.db import models
from selectolax.lexbor import LexborHTMLParser

_LEFT_OUT = ("/logout/", "/jsi18n/", "/password/")
_SHOWN_ATTRIBUTES = ("title", "placeholder", "aria-label", "alt")
# Icons are written as names of a font's glyphs.
_NOT_READ = "script, style, code, pre, kbd, .material-symbols-outlined"


def pages(client):
    """The path of each page that links lead to from the first; one of each kind."""
    waiting, met = ["/admin/"], {_kind("/admin/")}
    while waiting:
        path = waiting.pop(0)
        answer = client.get(path)
        if answer.status_code != 200 or not _is_page(answer):
            continue
        yield path
        for link in LexborHTMLParser(answer.content).css("a[href^='/admin/']"):
            target = re.sub(r"[?#].*", "", link.attributes["href"])
            if _kind(target) not in met and not target.endswith(_LEFT_OUT):
                met.add(_kind(target))
                waiting.append(target)


def _is_page(answer):
    return answer.headers.get("content-type", "").startswith("text/html")


def _kind(path):
    """The page without the row it shows: ids are numbers, or hold one."""
    return re.sub(r"/[^/]*\d[^/]*(?=/)", "/*", path)


def texts(client, path):
    """Every text that somebody sees on the page, or hears or meets hovering over it."""
    tree = LexborHTMLParser(client.get(path).content)
    for node in tree.css(_NOT_READ):
        node.decompose()
    found = set()
    for node in tree.root.traverse(include_text=True):
        if node.tag == "-text":
            found.add(" ".join(node.text().split()))
        else:
            shown = (node.attributes.get(name) for name in _SHOWN_ATTRIBUTES)
            found.update(text.strip() for text in shown if text)
    return found - {""}


def data():
    """What the rows hold, in small letters, longest first: nobody translates that."""
    found = set()
    for model in apps.get_models():
        texts = [
            field.attname
            for field in model._meta.concrete_fields
            if isinstance(field, models.CharField | models.TextField)
            and not field.choices
        ]
        rows = model.objects.values_list(*texts) if texts else ()
        for row in rows:
            found.update(" ".join(value.lower().split()) for value in row if value)
    return sorted(found - {""}, key=len, reverse=True)
