"""Tells text from media: an error page is text, whatever its encoding and whatever its headers say."""

from __future__ import annotations

import codecs
import re
import unicodedata

_BOMS = (  # the longer ones first: UTF-32's begins with UTF-16's
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
    (codecs.BOM_UTF8, "utf-8"),
)
_WIDE_ENCODINGS = ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")
_MARKUP = re.compile(rb"<(\?xml|!doctype|!--|[a-z][a-z0-9:]*[\s/>])", re.IGNORECASE)
_CONTROL_BYTES = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_NOT_IN_TEXT = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f\ufffd]")
_NOT_IN_WIDE_TEXT = frozenset({"Cc", "Cs", "Co", "Cn"})  # controls, surrogates, private and unassigned characters
_MOST_SCRIPTS = 4  # Japanese has four, with our letters
_SPACES = frozenset("\t\n\v\f\r\x1b")


def plain_text(head: bytes) -> str | None:
    """Return what kind of text the head is, by its byte order mark or because no byte of it is a control character.

    The latter is text in UTF-8, or in any of the encodings that extend ASCII (Latin-1, Windows-125x, KOI8-R, Shift JIS,
    GBK, Big5, EUC, ...). Every media format begins with numbers, and so with bytes that are control characters.
    """
    for bom, encoding in _BOMS:
        if head.startswith(bom):
            text = codecs.getincrementaldecoder(encoding)("replace").decode(head[len(bom) :])
            return None if _NOT_IN_TEXT.search(text) else _describe(text)
    if not head or _CONTROL_BYTES.search(head):
        return None
    return _describe(head.decode("latin-1"))


def disguised_text(head: bytes) -> str | None:
    """Return what kind of text the head is that is no known medium: damaged markup, or UTF-16 or -32 without a mark."""
    if _MARKUP.match(head.lstrip()):
        return _describe(head.decode("latin-1"))
    for encoding in _WIDE_ENCODINGS:
        try:
            text = codecs.getincrementaldecoder(encoding)().decode(head)  # a character cut at the end is no error
        except UnicodeDecodeError:
            continue
        if text and _is_readable(text):
            return _describe(text)
    return None


def _is_readable(text: str) -> bool:
    """Tell text from numbers, many of which are letters too, but of all the scripts there are."""
    scripts = set()
    for character in set(text) - _SPACES:
        category = unicodedata.category(character)
        if category in _NOT_IN_WIDE_TEXT:
            return False
        if category.startswith("L"):
            scripts.add(unicodedata.name(character, "").partition(" ")[0])
    return len(scripts) <= _MOST_SCRIPTS


def _describe(text: str) -> str:
    start = text.lstrip().lower()
    if start.startswith("<?xml"):
        return "XML"
    if start.startswith(("<!doctype html", "<html", "<head", "<body", "<!--")):
        return "HTML"
    if start.startswith("<"):
        return "XML or HTML"
    return "JSON" if start.startswith(("{", "[")) else "plain text"
