"""`fikatap profile`: what makes a profile whole, for who fills it in at the desk."""

from __future__ import annotations

import argparse
from typing import Any

from firmware_py.office import open_office
from kiosk.values import Language


def add(commands: Any) -> None:
    """Add the commands to the parser."""
    group = commands.add_parser("profile", help="members' profiles").add_subparsers(metavar="WHAT", required=True)
    command = group.add_parser("complete", help="the topics that begin like this")
    command.add_argument("typed", help='the beginning of a topic, such as "proj"')
    command.add_argument(
        "--language", type=Language, choices=list(Language), help="the language it is typed in (default: the café's)"
    )
    command.set_defaults(handler=complete)
    command = group.add_parser("check", help="what a member's profile lacks")
    command.add_argument("member", help="the member's id")
    command.set_defaults(handler=check)


def complete(args: argparse.Namespace) -> int:
    """Print id and words of each topic that fits; return 1 when there is none."""
    from firmware_py.vocabulary import load_vocabulary

    language, vocabulary = args.language or _language(args), load_vocabulary()
    found = vocabulary.complete(args.typed, language)
    for topic in found:
        print(f"{topic:<14} {vocabulary.topics[topic].labels[language]}")
    return 0 if found else 1


def check(args: argparse.Namespace) -> int:
    """Say in the café's language what is missing; return 1 when somebody can't be matched without it."""
    from firmware_py.texts import load_texts
    from kiosk.matching.profiles import Missing

    with open_office(args.config) as office:
        lacking = [Missing(each) for each in office.call("members.show", member=args.member)["missing"]]
    texts, language = load_texts(), _language(args)
    for each in lacking:
        print(f"{'!' if each.needed else ' '} {texts.say(language, f'missing.{each.value}')}")
    return 1 if any(each.needed for each in lacking) else 0


def _language(args: argparse.Namespace) -> Language:
    from firmware_py.config import load

    return load(args.config).cafe.language
