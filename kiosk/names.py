"""The forms of people's names within a sentence."""

from __future__ import annotations

from typing import NamedTuple
from unicodedata import combining, name, normalize

from kiosk.values import Language


class _Endings(NamedTuple):
    letter: str
    hiss: str
    sign: str


ENDINGS = {
    Language.SV: _Endings(letter="s", hiss="", sign=":s"),
    Language.DA: _Endings(letter="s", hiss="'", sign="'s"),
    Language.NB: _Endings(letter="s", hiss="'", sign="s"),
    Language.EN: _Endings(letter="'s", hiss="'s", sign="'s"),
}
"""What makes a name the owner's: after most Latin letters; after s, x and z; after figures and all else."""
APOSTROPHES = "'\N{RIGHT SINGLE QUOTATION MARK}\N{MODIFIER LETTER APOSTROPHE}"


def possessive(called: str, language: Language) -> str:
    """Return the name, or "number 7", as it stands before what is theirs: "Annas", "Lars'", "nummer 7:s".

    Swedish: TT-språket, "Genitiv-s" (Lars, Max), and a colon after figures (Svenska skrivregler). Danish: Retskrivningsordbogen
    § 21.2 (Lars', Marx') and § 6.2 (165's). Bokmål: Språkrådet, "Apostrof" (Lars'), none after figures ("TV 2s"). English:
    Chicago Manual of Style 7.17 (Lars's). Spelling counts, not sound ("Bachs"), and accents don't: "Miloš" ends with s.
    The apostrophe is the plain one, which every printer has; after one that the name itself ends with, none is added.
    """
    bare = called.rstrip(APOSTROPHES)
    letters = [letter for letter in normalize("NFD", bare.casefold()) if not combining(letter)]
    if not letters:
        return called
    endings, last = ENDINGS[language], letters[-1]
    if last in "sxz":
        ending = endings.hiss
    else:
        ending = endings.letter if bare == called and name(last, "").startswith("LATIN") else endings.sign
    return called + (ending if bare == called else ending.removeprefix("'"))


def sentence_start(sentence: str, called: str) -> str:
    """Return the sentence with a capital where it begins with "number 7"; people's names stay as they write them."""
    return sentence[:1].upper() + sentence[1:] if called[-1:].isdecimal() else sentence
