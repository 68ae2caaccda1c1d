"""``livetide train encoder``: the semantic encoder tuned on a shop's texts, and a table for every message distilled from it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from analytics.encoders import Encoder, semantic, table
from analytics.evaluation import metrics, retrieval
from analytics.evaluation.data import Labelled, Pairs, read_pairs_or_groups
from analytics.evaluation.outcome import Evaluation
from analytics.evaluation.report import NAMES
from analytics.evaluation.retrieval import Found, find, outcome
from analytics.model_file import Card, Model, load_model, load_shipped, save_model
from livetide.evaluating import randomness
from livetide.training import UNSAID, Bar, Trained, code, needing, with_figures


def train_encoder(
    data: Path, out: Path, *, static: Path | None, start: Path | None, steps: int, seed: int, licence: str, bar: Bar
) -> Trained:
    """Tune the semantic encoder (or the one in ``start``) on a file of pairs or groups. ``steps``: 0 chooses by the texts.

    ``static``: where a table goes that is distilled from it. Raises :class:`InvalidError` for bad data, another kind of model,
    or where torch is missing.
    """
    encoders = needing("analytics.training.encoder")
    read = read_pairs_or_groups(data)
    groups, chatter = encoders.groups_of(read)
    base = _begin(start)
    apart = encoders.hold_out(groups, np.random.default_rng(seed))
    plan = encoders.Plan(seed=seed)
    plan = plan._replace(steps=steps or encoders.steps_for(apart.seen, plan), warm=min(plan.warm, steps or plan.warm))
    with bar("tuning") as told:
        arrays = encoders.tuned(
            base, apart.seen, chatter, plan, lambda step, loss: told(step + 1, plan.steps, f"loss {loss:.3f}")
        )
    card = Card(semantic.KIND, semantic.VERSION, read.sha256, code(), licence or UNSAID, settings=base.card.settings)
    made: Encoder = semantic.SemanticEncoder(Model(card, arrays))
    found = None
    if apart.unseen:
        with bar("measuring") as told:
            found = _measure(read, encoders.unseen_task(apart), semantic.SemanticEncoder(base), made, told)
        card = with_figures(card, found)
    save_model(out, card, arrays)
    if static:
        with bar("distilling") as told:
            small = encoders.distilled(made, encoders.texts_of(read, apart), seed, told)
        found = _save_table(static, card, small, read, encoders.unseen_task(apart), found)
    texts = sum(map(len, apart.seen.values()))
    return Trained(card, out, f"{texts:,} texts in {len(apart.seen):,} groups, {plan.steps:,} steps", found)


def _begin(start: Path | None) -> Model:
    if start:
        return load_model(start, semantic.KIND, semantic.VERSION)
    return load_shipped("semantic.npz", semantic.KIND, semantic.VERSION)


def _save_table(
    path: Path, card: Card, arrays: dict[str, Any], read: Pairs | Labelled, task: retrieval.Task, found: Evaluation | None
) -> Evaluation | None:
    """Write the table; how well it finds is a note beside the figures of the encoder."""
    small = Card(table.KIND, table.VERSION, card.data, card.code, card.licence)
    if found:
        figures = outcome(read, task, find(task, table.StaticEncoder(Model(small, arrays))), "", randomness())
        small = with_figures(small, figures)
        found = found._replace(notes=[f"as a table: {_named(figures)}", *found.notes])
    save_model(path, small, arrays)
    return found


def _measure(
    read: Pairs | Labelled, task: retrieval.Task, base: Encoder, made: Encoder, told: Callable[[int, int], None]
) -> Evaluation:
    """The tuned encoder on groups that it has not seen, and how the one before does there."""

    def part(number: int) -> Callable[[int, int], None]:
        return lambda done, of: told(done + number * of, 2 * of)

    before, after = find(task, base, part(0)), find(task, made, part(1))
    gain = metrics.difference(_reciprocal(after), _reciprocal(before), randomness())
    was = _named(outcome(read, task, before, "", randomness()))
    found = outcome(read, task, after, "the new encoder, on groups that it has not seen", randomness())
    change = f"MRR@10 has changed by {gain.value:+.3f} ({gain.low:+.3f} to {gain.high:+.3f})"
    return found._replace(notes=[f"before: {was}; {change}", *found.notes])


def _named(found: Evaluation) -> str:
    return ", ".join(f"{NAMES[name]} {figure.value:.3f}" for name, figure in found.figures.items())


def _reciprocal(found: Found) -> metrics.Numbers:
    return np.where(found.ranks <= metrics.DEEPEST, 1 / found.ranks, 0.0)
