"""The languages that a survey can be worded in: their codes, their own names, and which run from right to left."""

from __future__ import annotations

from django.conf.locale import LANG_INFO

from labeling.accounts.languages import LANGUAGES

# Spoken by many who label, and unknown to Django.
_MORE = {
    "am": "አማርኛ", "as": "অসমীয়া", "fil": "Filipino", "gu": "ગુજરાતી", "ha": "Hausa", "lo": "ລາວ", "or": "ଓଡ଼ିଆ",
    "ps": "پښتو", "rw": "Ikinyarwanda", "sd": "سنڌي", "si": "සිංහල", "so": "Soomaali", "xh": "isiXhosa",
    "yo": "Yorùbá", "zu": "isiZulu",
}  # fmt: skip
_RTL = {"ps", "sd", "ur"}

NAMES: dict[str, str] = {
    **{code: info["name_local"] for code, info in LANG_INFO.items() if "name_local" in info},
    **_MORE,
    **dict(LANGUAGES),
}


def direction(code: str) -> str:
    """``rtl`` or ``ltr``, as the attribute ``dir`` has it."""
    return "rtl" if code in _RTL or LANG_INFO.get(code, {}).get("bidi") else "ltr"


def matching(wanted: str, offered: list[str]) -> str:
    """The one of ``offered`` that somebody who wants this language reads; empty where there is none.

    Example:
        >>> matching("pt-BR", ["en", "pt"]), matching("pt", ["pt-br", "en"]), matching("hi", ["en"])
        ('pt', 'pt-br', '')
    """
    wanted = wanted.lower().replace("_", "-")
    if wanted in offered:
        return wanted
    stem = wanted.partition("-")[0]
    return next((code for code in offered if code == stem), "") or next(
        (code for code in offered if code.partition("-")[0] == stem), ""
    )
