"""`fikatap matching evaluate`: how good the matches are, on made-up people or on a roster and a truth from files."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drivers.errors import ConfigError, FikatapError

if TYPE_CHECKING:
    from firmware_py.evaluation.people import People

NEEDS = "the evaluation needs NumPy and rustworkx, which a terminal does not have; install 'fikatap[evaluation]'"


def add_to(what: Any) -> None:
    """Add the command to the group of `fikatap matching`."""
    command = what.add_parser("evaluate", help="play evenings, and say how often both of two people gain")
    command.add_argument("--visits", type=_count, default=150, metavar="N", help="visits an evening (default: 150)")
    command.add_argument("--evenings", type=_count, default=30, metavar="N", help="(default: 30)")
    command.add_argument("--seed", type=int, default=1, metavar="N", help="of people and arrivals (default: 1)")
    command.add_argument("--seeds", type=_count, default=1, metavar="N", help="so many seeds from that one on (default: 1)")
    command.add_argument("--peer", type=_share, default=0.25, metavar="WORTH", help="what a true peer is worth (default: .25)")
    command.add_argument(
        "--threshold", type=_share, default=0.30, metavar="WORTH", help="what both gain in a win-win, at least (default: .30)"
    )
    command.add_argument(
        "--policy", action="append", metavar="NAME", help="random, one-sided, overlap, ours, maximum; again for more (all)"
    )
    command.add_argument("--members", type=_count, default=3_000, metavar="N", help="made-up people (default: 3000)")
    command.add_argument("--people", default="standard", metavar="KIND", help="made-up people: standard or other")
    command.add_argument("--roster", type=Path, metavar="CSV", help="a member list as `fikatap members import` takes it")
    command.add_argument("--truth", type=Path, metavar="FILE", help="what is true of it: CSV of pairs or JSON of latent values")
    command.add_argument("--write", type=Path, metavar="DIR", help="only write the made-up people as such files")
    command.add_argument("--all", action="store_true", help="everything that docs/matching.md claims; takes many minutes")
    command.add_argument("--json", action="store_true", help="print JSON")
    command.set_defaults(handler=evaluate)


def evaluate(args: argparse.Namespace) -> int:
    """Print the figures; what is being done goes to standard error."""
    try:
        from firmware_py.evaluation import report
        from firmware_py.evaluation.figures import Plan
        from firmware_py.evaluation.people import made_up_people
        from firmware_py.evaluation.policies import NAMES
    except ImportError as error:
        raise ConfigError(f"{NEEDS} ({error})") from error
    from firmware_py.vocabulary import load_vocabulary

    vocabulary = load_vocabulary()
    shape = report.SHAPES.get(args.people)
    if shape is None:
        raise FikatapError(f"--people: '{args.people}' is not one of {', '.join(report.SHAPES)}")
    if unknown := [name for name in args.policy or () if name not in NAMES]:
        raise FikatapError(f"--policy: '{unknown[0]}' is not one of {', '.join(NAMES)}")
    if (args.roster is None) != (args.truth is None):
        raise FikatapError("--roster and --truth belong together: without a truth nobody knows which matches are good")
    if args.write is not None:
        report.write_files(args.write, args.members, args.seed, vocabulary, shape)
        print(f"{args.write / 'roster.csv'} and {args.write / 'truth.json'} hold {args.members} made-up members")
        return 0
    if args.all:
        everything = report.evaluate_all(vocabulary, _told)
        if args.json:
            print(json.dumps(report.rounded(everything), indent=2))
        else:
            print(report.page(everything))
        return 0

    def people_of(seed: int) -> People:
        if args.roster is not None:
            return report.from_files(args.roster, args.truth, vocabulary, seed)
        return made_up_people(args.members, seed, vocabulary, shape).people

    plan = Plan(visits=args.visits, evenings=args.evenings, seed=args.seed, peer=args.peer, threshold=args.threshold)
    seeds = range(args.seed, args.seed + args.seeds)
    (outcome,) = report.evaluate(people_of, vocabulary, [plan], seeds=seeds, policies=args.policy or NAMES, told=_told)
    print(json.dumps(report.rounded(outcome), indent=2) if args.json else report.table(outcome))
    return 0


def _told(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


def _count(text: str) -> int:
    count = int(text)
    if count < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not at least 1")
    return count


def _share(text: str) -> float:
    share = float(text)
    if not 0 <= share <= 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not from 0 to 1")
    return share
