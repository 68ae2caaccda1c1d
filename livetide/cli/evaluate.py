"""``livetide evaluate``: the figures of a model on a file of examples, with intervals, and a page about them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from analytics.evaluation.outcome import Evaluation

app = typer.Typer(help="The figures of a model on a file of examples.", add_completion=False, no_args_is_help=True)

Labelled = Annotated[Path, typer.Argument(metavar="DATA", help="A file of label<TAB>text lines.")]
Findable = Annotated[Path, typer.Argument(metavar="DATA", help="A file of text<TAB>text<TAB>0|1 or of group<TAB>text lines.")]
Grouped = Annotated[Path, typer.Argument(metavar="DATA", help="A file of group<TAB>text lines; chatter under the group -.")]
Model = Annotated[Path | None, typer.Option(help="A model file of `livetide train`. Default: the shipped one.")]
Encoder = Annotated[
    str, typer.Option("--model", "--encoder", help="static, semantic, lexical, or the file or folder of an encoder.")
]
Report = Annotated[Path | None, typer.Option(help="Write a page about it to this file (HTML).")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object.")]


@app.command()
def sentiment(data: Labelled, model: Model = None, report: Report = None, as_json: AsJson = False) -> None:
    """Accuracy and macro-F1 of feelings: the labels are negative, neutral and positive, or two of these.

    Of a file with two of them, the better of these two is what is given to each line.
    """
    from analytics.evaluation.classify import evaluate_sentiment
    from analytics.evaluation.data import read_labelled
    from livetide.cli.bars import bar
    from livetide.evaluating import check_paths, classifier, randomness

    check_paths(data, report)
    with bar("judging", quiet=as_json) as progress:
        found = evaluate_sentiment(read_labelled(data), classifier("sentiment", model), randomness(), progress)
    _tell(found, report, ("sentiment", data, ("--model", model)), as_json=as_json)


@app.command()
def intent(data: Labelled, model: Model = None, report: Report = None, as_json: AsJson = False) -> None:
    """Accuracy and macro-F1 of wishes, over the labels of the file."""
    from analytics.evaluation.classify import evaluate_intent
    from analytics.evaluation.data import read_labelled
    from livetide.cli.bars import bar
    from livetide.evaluating import check_paths, classifier, randomness

    check_paths(data, report)
    with bar("judging", quiet=as_json) as progress:
        found = evaluate_intent(read_labelled(data), classifier("intent", model), randomness(), progress)
    _tell(found, report, ("intent", data, ("--model", model)), as_json=as_json)


@app.command()
def retrieval(data: Findable, model: Encoder = "static", report: Report = None, as_json: AsJson = False) -> None:
    """R@1, R@5 and MRR@10 of an encoder that looks for other wordings of a text.

    The corpus is every distinct text of the file. Of pairs, the queries are the texts on the left of a pair marked 1, and
    relevant is whatever such pairs connect with it; of groups, every text is a query, and relevant is the rest of its group.
    """
    from analytics.encoders import load_encoder
    from analytics.evaluation.data import read_pairs_or_groups
    from analytics.evaluation.retrieval import evaluate_retrieval
    from livetide.cli.bars import bar
    from livetide.evaluating import check_paths, randomness

    check_paths(data, report)
    with bar("searching", quiet=as_json) as progress:
        found = evaluate_retrieval(read_pairs_or_groups(data), load_encoder(model), randomness(), progress)
    _tell(found, report, ("retrieval", data, ("--model", model)), as_json=as_json)


@app.command()
def groups(
    data: Grouped,
    model: Encoder = "static",
    every: Annotated[float, typer.Option(help="Seconds between lines. 0: all of the file lies in one window.", min=0)] = 0,
    report: Report = None,
    as_json: AsJson = False,
) -> None:
    """Pairwise F1 and adjusted Rand index of live questions, grouped as the product does while a room is live.

    The lines are asked in the order of the file, each by another viewer. Each line of chatter is a group of its own: chatter
    that is put in a group counts as wrong.
    """
    from analytics.encoders import load_encoder
    from analytics.evaluation.data import read_groups
    from analytics.evaluation.groups import evaluate_groups, group_texts
    from livetide.cli.bars import bar
    from livetide.evaluating import check_paths, randomness

    check_paths(data, report)
    read, encoder = read_groups(data), load_encoder(model)
    with bar("grouping", quiet=as_json) as progress:
        texts = [text for _, text in read.rows]
        given = group_texts(texts, encoder=encoder, every_ms=round(1000 * every), progress=progress)
        found = evaluate_groups(read, given, f"the live groups, with the encoder {encoder.name!r}", randomness())
    _tell(found, report, ("groups", data, ("--model", model), ("--every", every or None)), as_json=as_json)


def _tell(found: Evaluation, report: Path | None, words: tuple[object, ...], *, as_json: bool) -> None:
    """Print the figures and write the page."""
    from livetide.evaluating import command_line, figure_lines, write_page

    if report:
        write_page(report, found, command_line("evaluate", *words, ("--report", report)))
    if as_json:
        typer.echo(json.dumps(found.as_json(), ensure_ascii=False))
        return
    for line in figure_lines(found):
        typer.echo(line)
    if report:
        typer.echo(f"report: {report}", err=True)
