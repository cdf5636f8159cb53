"""Reads the sentences of each language: gettext catalogues, which `make texts` compiles from the `.po` files beside them."""

from __future__ import annotations

from gettext import GNUTranslations
from importlib.resources import files

from kiosk.texts import Texts
from kiosk.values import Language


def load_texts() -> Texts:
    """Return all sentences in all languages."""
    return Texts({language: load_catalogue(language) for language in Language})


def load_page_texts() -> Texts:
    """Return the sentences of the pages, and where they have none, those of the terminal."""
    return Texts({language: _page_catalogue(language) for language in Language})


def _page_catalogue(language: Language) -> GNUTranslations:
    with (files("firmware_py") / "data" / "pages" / "texts" / f"{language}.mo").open("rb") as file:
        pages = GNUTranslations(file)
    pages.add_fallback(load_catalogue(language))
    return pages


def load_catalogue(language: Language) -> GNUTranslations:
    """Return one language's compiled catalogue."""
    with (files("firmware_py") / "data" / "texts" / f"{language}.mo").open("rb") as file:
        return GNUTranslations(file)
