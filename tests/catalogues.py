"""Which strings a source tree shows to people, and what a .po file says of them."""

import ast
import gettext
import re
from dataclasses import dataclass, field
from pathlib import Path

from django.utils.translation.template import templatize

# A context and a msgid, as compiled catalogues write them: context + EOT + msgid.
_EOT = "\x04"
# Which arguments hold context, singular and plural.
_SHAPES = {
    "gettext": (None, 0, None),
    "ngettext": (None, 0, 1),
    "pgettext": (0, 1, None),
    "npgettext": (0, 1, 2),
}
_LITERAL = r"u?(?:'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\")"
_CALL = re.compile(
    rf"\b(gettext|ngettext|pgettext|npgettext|_)\((\s*{_LITERAL}(?:\s*,\s*{_LITERAL})*)",
    re.DOTALL,
)
# Other people's `contrib` holds what is not installed here.
_SKIPPED = {"migrations", "tests", "contrib"}


@dataclass(slots=True)
class Entry:
    """One message of a .po file; `texts` are its translations, one a plural form."""

    context: str | None = None
    msgid: str = ""
    plural: str | None = None
    texts: list[str] = field(default_factory=list)
    fuzzy: bool = False

    @property
    def compiled(self):
        """As `read_mo` has it."""
        if self.plural is None:
            return {self.key: self.texts[0]}
        return {(self.key, form): text for form, text in enumerate(self.texts)}

    @property
    def key(self):
        return self.msgid if self.context is None else self.context + _EOT + self.msgid


def strings_of(*places):
    """{key: plural or None} of every Python file and template in these places."""
    found = {}
    for path in _files(places):
        if path.suffix == ".py":
            found.update(_of_python(path))
        elif path.suffix in {".html", ".txt"}:
            found.update(_of_template(path))
    return found


def _files(places):
    for place in map(Path, places):
        if place.is_file():
            yield place
        for path in sorted(place.rglob("*")):
            if not _SKIPPED.intersection(path.relative_to(place).parts):
                yield path


def _of_python(path):
    tree = ast.parse(path.read_text("utf-8"))
    names = {"_": "gettext", **{name: name for name in _SHAPES}}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module in {
            "django.utils.translation",
            "webhooks.wording",
        }:
            for alias in node.names:
                plain = alias.name.removesuffix("_lazy").removesuffix("_noop")
                plain = "gettext" if plain == "marked" else plain
                if plain in _SHAPES:
                    names[alias.asname or alias.name] = plain
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        called = node.func
        name = getattr(called, "id", getattr(called, "attr", ""))
        if name in names:
            texts = [_text(argument) for argument in node.args]
            yield from _shaped(names[name], texts)


def _text(node):
    value = node.value if isinstance(node, ast.Constant) else None
    return value if isinstance(value, str) else None


def _of_template(path):
    calls = templatize(path.read_text("utf-8"), origin=str(path))
    for name, arguments in _CALL.findall(calls):
        texts = [
            ast.literal_eval(text.lstrip("u"))
            for text in re.findall(_LITERAL, arguments)
        ]
        yield from _shaped("gettext" if name == "_" else name, texts)


def _shaped(shape, texts):
    """A call's (key, plural); none when what it translates is no literal."""
    context, single, plural = (
        None if place is None else (texts[place] if place < len(texts) else None)
        for place in _SHAPES[shape]
    )
    if single:
        in_context = _SHAPES[shape][0] is not None
        yield (f"{context}{_EOT}{single}" if in_context else single), plural


def read_po(path):
    """Its entries, without the header; obsolete ones are comments and left out."""
    entries = []
    for block in path.read_text("utf-8").split("\n\n"):
        entry, target = Entry(), None
        for line in block.splitlines():
            if line.startswith("#,") and "fuzzy" in line:
                entry.fuzzy = True
            if line.startswith("#") or not line:
                continue
            keyword, _, quoted = line.partition('"')
            keyword = keyword.strip() or target
            text = ast.literal_eval('"' + quoted)
            if keyword == "msgctxt":
                entry.context = (entry.context or "") + text
            elif keyword == "msgid":
                entry.msgid += text
            elif keyword == "msgid_plural":
                entry.plural = (entry.plural or "") + text
            elif keyword == target:
                entry.texts[-1] += text
            else:
                entry.texts.append(text)
            target = keyword
        if entry.msgid:
            entries.append(entry)
    return entries


def read_mo(path):
    """What the compiled catalogue says: {key or (key, form): text}."""
    with path.open("rb") as file:
        said = dict(gettext.GNUTranslations(file)._catalog)
    said.pop("", None)
    return said
