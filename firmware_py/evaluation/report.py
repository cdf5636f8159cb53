"""What `fikatap matching evaluate` tells: the policies side by side, as values for JSON and as a table for people."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from firmware_py.evaluation.figures import Figures, Plan, figures, play
from firmware_py.evaluation.people import OTHER, STANDARD, People, Shape, habits, made_up_people, read_roster
from firmware_py.evaluation.policies import MAXIMUM, NAMES, OURS
from firmware_py.evaluation.privacy import Betrayal, betrayal, unmasked
from firmware_py.evaluation.snapshot import crowd, share_of_best
from firmware_py.evaluation.truth import read_truth, write_latent
from kiosk.matching.score import STANDARD as WEIGHTS
from kiosk.matching.score import Weights
from kiosk.values import Member
from kiosk.vocabulary import Vocabulary

SHAPES: Mapping[str, Shape] = {"standard": STANDARD, "other": OTHER}
MEMBERS = 3_000
SEEDS = (1, 2, 3, 4, 5)
"""On none of these were the weights tuned."""
WORTHS = ((0.25, 0.30), (0.10, 0.25))
"""What a true peer is worth, and the threshold of a win-win that goes with it."""
SIZES = (40, 150, 400)
SNAPSHOTS = (10, 40, 150, 400)
INTRODUCTIONS = 40_000
CONTROL_INTRODUCTIONS = 10_000
WORST = frozenset({"most_approached", "most_approached_quiet", "match_ms_p99"})
"""Of several seeds the largest counts."""
COUNTED = frozenset({"repeats", "one_employer", "unwilling", "no_language"})
"""Of several seeds the sum counts."""

Told = Callable[[str], None]


class Outcome(Struct, frozen=True):
    """The policies side by side on the same evenings."""

    plan: Plan
    seeds: tuple[int, ...]
    policies: dict[str, Figures]


class Everything(Struct, frozen=True):
    """All that is claimed: each size and worth, the other kind of people, pairs of everybody at once, and privacy."""

    outcomes: list[Outcome]
    other: list[Outcome]
    share_of_best: dict[int, list[float]]
    """By the number of people here, one for each seed."""
    masked: Betrayal
    control: Betrayal


def from_files(roster: Path, truth: Path, vocabulary: Vocabulary, seed: int) -> People:
    """Return the people of a member list and a truth about them; raise `TruthError` where they can't be read."""
    members = read_roster(roster, vocabulary)
    return People(members, read_truth(truth, [member.id for member in members]), habits(len(members), seed))


def _silent(what: str) -> None:
    """Tell nobody."""


def evaluate(
    people_of: Callable[[int], People],
    vocabulary: Vocabulary,
    plans: Sequence[Plan],
    *,
    seeds: Sequence[int],
    policies: Sequence[str] = NAMES,
    weights: Weights = WEIGHTS,
    told: Told = _silent,
) -> list[Outcome]:
    """Play every policy with every seed; return what came of it for each plan.

    The plans differ in what a peer is worth and in the threshold only. `people_of` gives the people for a seed, `told` hears
    what is being done.
    """
    outcomes = [Outcome(plan, tuple(seeds), {}) for plan in plans]
    for name in policies:
        told(f"{plans[0].visits} visits: {name}")
        figures_of: list[list[Figures]] = [[] for _ in plans]
        for seed in seeds:
            people = people_of(seed)
            played = None
            for plan, gathered in zip(plans, figures_of, strict=True):
                seeded = replace(plan, seed=seed)
                if played is None or name == MAXIMUM:
                    played = play(name, people, vocabulary, seeded, weights)
                gathered.append(figures(people, played, vocabulary, seeded))
        for outcome, gathered in zip(outcomes, figures_of, strict=True):
            outcome.policies[name] = _together(gathered)
    return outcomes


def evaluate_all(vocabulary: Vocabulary, told: Told = _silent) -> Everything:
    """Return the figures of everything that is claimed; takes many minutes."""

    @cache
    def made(shape: Shape, seed: int) -> People:
        return made_up_people(MEMBERS, seed, vocabulary, shape).people

    def people_of(shape: Shape) -> Callable[[int], People]:
        return lambda seed: made(shape, seed)

    def outcomes(shape: Shape, visits: int) -> list[Outcome]:
        plans = [Plan(visits=visits, peer=peer, threshold=threshold) for peer, threshold in WORTHS]
        return evaluate(people_of(shape), vocabulary, plans, seeds=SEEDS, told=told)

    members = people_of(STANDARD)(SEEDS[0]).members
    told("pairs of everybody at once")
    shares = {
        count: [share_of_best(crowd(people_of(STANDARD)(seed).members, count, seed, vocabulary)) for seed in SEEDS]
        for count in SNAPSHOTS
    }
    told("privacy")
    return Everything(
        [outcome for visits in SIZES for outcome in outcomes(STANDARD, visits)],
        outcomes(OTHER, 150),
        shares,
        betrayal(members, vocabulary, vocabulary, INTRODUCTIONS, SEEDS[0]),
        betrayal(members, vocabulary, unmasked(vocabulary), CONTROL_INTRODUCTIONS, SEEDS[0]),
    )


def _together(figures: Sequence[Figures]) -> Figures:
    """Return the figures of several seeds as one: the mean, but the largest of what counts at its worst, and sums of counts."""
    names = Figures.__struct_fields__
    together: dict[str, Any] = {}
    for name in names:
        values = [getattr(each, name) for each in figures]
        total = sum(values)
        together[name] = max(values) if name in WORST else total if name in COUNTED else total / len(values)
    return Figures(**together)


def rounded(value: object) -> Any:
    """Return plain values for JSON, with four digits after the point."""
    plain = msgspec.to_builtins(value)
    if isinstance(plain, dict):
        return {str(name): rounded(each) for name, each in plain.items()}
    if isinstance(plain, list | tuple):
        return [rounded(each) for each in plain]
    return round(plain, 4) if isinstance(plain, float) else plain


def table(outcome: Outcome) -> str:
    """Return one line a policy, and how much better ours is than the others."""
    plan = outcome.plan
    played = f"{plan.visits} visits, {plan.evenings} evenings, seeds {' '.join(map(str, outcome.seeds))}"
    lines = [
        f"{played}; a true peer is worth {plan.peer}, a win-win gives both {plan.threshold} or more",
        "            win-win  visits with  introduced   Gini  most  quiet  repeats  p99 ms",
    ]
    for name, each in outcome.policies.items():
        lines.append(
            f"{name:<10}{each.win_win:>9.3f}{each.win_win_visits:>13.3f}{each.introduced:>12.3f}{each.gini:>7.3f}"
            f"{each.most_approached:>6}{each.most_approached_quiet:>7}{each.repeats:>9}{each.match_ms_p99:>8.2f}"
        )
    ours = outcome.policies.get(OURS)
    for name, each in outcome.policies.items():
        if ours is not None and each.win_win and name != OURS:
            lines.append(f"{OURS} / {name}: {ours.win_win / each.win_win:.2f}")
    return "\n".join(lines)


def page(everything: Everything) -> str:
    """Return all tables, and what else is claimed."""
    parts = [table(outcome) for outcome in everything.outcomes]
    parts += [f"People of another kind: {table(outcome)}" for outcome in everything.other]
    parts.append(
        "Pairs of everybody at once, by the best that there are:\n"
        + "\n".join(
            f"{count} here: mean {sum(each) / len(each):.3f}, least {min(each):.3f}"
            for count, each in everything.share_of_best.items()
        )
    )
    for name, one in (("masked", everything.masked), ("control, nothing masked", everything.control)):
        parts.append(
            f"A partner's trade and a sensitive need, {name}: likelihood ratio {one.ratio:.2f} "
            f"({one.low:.2f} to {one.high:.2f}) over {one.introductions} introductions"
        )
    return "\n\n".join(parts)


def write_files(directory: Path, members: int, seed: int, vocabulary: Vocabulary, shape: Shape = STANDARD) -> None:
    """Write a made-up roster and its truth as files that `from_files` reads: an example of both formats."""
    made = made_up_people(members, seed, vocabulary, shape)
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "roster.csv").write_text("".join(_csv(made.people.members)), encoding="utf-8", newline="")
    (directory / "truth.json").write_bytes(write_latent(made.hidden))


def _csv(members: Sequence[Member]) -> Iterable[str]:
    """Return the lines of a member list; nothing that the generator makes needs quotation marks."""
    consents = [name for name in members[0].consents.__struct_fields__ if name in WRITTEN_CONSENTS]
    head = ["id", "first_name", "language", "occupation", "industry", "seeks", "offers", "languages", "employer", "quiet"]
    yield ",".join([*head, *(f"consent_{name}" for name in consents)]) + "\n"
    for member in members:
        cells = [member.id, member.first_name, member.language.value, member.occupation, member.industry]
        cells += [";".join(member.seeks), ";".join(member.offers), ";".join(member.languages), member.employer]
        yes = [member.quiet, *(getattr(member.consents, name) for name in consents)]
        yield ",".join([*cells, *("yes" if each else "no" for each in yes)]) + "\n"


WRITTEN_CONSENTS = frozenset({"introductions", "name", "occupation", "languages", "need", "colleagues"})
