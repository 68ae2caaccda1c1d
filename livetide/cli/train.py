"""``livetide train``: a shop's own models from its own logs, with figures on a tenth that is kept unseen."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from livetide.evaluating import Task
    from livetide.training import Trained

app = typer.Typer(help="A shop's own models from its own logs.", add_completion=False, no_args_is_help=True)

Labelled = Annotated[Path, typer.Argument(metavar="DATA", help="A file of label<TAB>text lines.")]
Findable = Annotated[Path, typer.Argument(metavar="DATA", help="A file of text<TAB>text<TAB>0|1 or of group<TAB>text lines.")]
Out = Annotated[Path, typer.Option(help="Where the model file goes.")]
Report = Annotated[Path | None, typer.Option(help="Write a page about it to this file (HTML).")]
Seed = Annotated[int, typer.Option(help="Of all that is drawn by chance.", min=0)]
Licence = Annotated[str, typer.Option(help="Whose the data are and who may use the model: goes into the model file.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object.")]


@app.command()
def sentiment(
    data: Labelled, out: Out, seed: Seed = 7, licence: Licence = "", report: Report = None, as_json: AsJson = False
) -> None:
    """A sentiment model: the labels are negative, neutral and positive, or two of these.

    A tenth of the lines is kept unseen, and gives the figures; the model that is written has learnt from it as well.
    """
    _labels("sentiment", data, out, seed, licence, report, as_json=as_json)


@app.command()
def intent(
    data: Labelled, out: Out, seed: Seed = 7, licence: Licence = "", report: Report = None, as_json: AsJson = False
) -> None:
    """An intent model with the labels of the file: the shop's own classes, or the shipped ones.

    A tenth of the lines is kept unseen, and gives the figures; the model that is written has learnt from it as well.
    """
    _labels("intent", data, out, seed, licence, report, as_json=as_json)


def _labels(task: Task, data: Path, out: Path, seed: int, licence: str, report: Path | None, *, as_json: bool) -> None:
    from livetide.cli.bars import bar
    from livetide.evaluating import check_paths
    from livetide.training import train_labels

    check_paths(data, out, report)
    done = train_labels(task, data, out, seed=seed, licence=licence, bar=lambda what: bar(what, quiet=as_json))
    words = (task, data, ("--out", out), ("--seed", seed), ("--licence", licence or None))
    _tell(done, report, words, as_json=as_json)


@app.command()
def encoder(
    data: Findable,
    out: Out,
    static: Annotated[
        Path | None, typer.Option(help="Also write a table distilled from it, which is fast enough for every message.")
    ] = None,
    start: Annotated[
        Path | None, typer.Option(help="A model file to go on from. Default: the shipped semantic encoder.")
    ] = None,
    steps: Annotated[
        int, typer.Option(help="Steps of training, about a second each. 0: by how many texts there are.", min=0)
    ] = 0,
    seed: Seed = 7,
    licence: Licence = "",
    report: Report = None,
    as_json: AsJson = False,
) -> None:
    """An encoder that knows which texts of the shop ask the same: `livetide evaluate retrieval DATA --model M` measures it.

    Needs the extra `models` (torch). A tenth of the groups is kept unseen, and measures; of fewer than 20 groups none is.
    """
    from livetide.cli.bars import bar
    from livetide.evaluating import check_paths
    from livetide.training_encoder import train_encoder

    check_paths(data, out, static, report)
    done = train_encoder(
        data,
        out,
        static=static,
        start=start,
        steps=steps,
        seed=seed,
        licence=licence,
        bar=lambda what: bar(what, quiet=as_json),
    )
    words = ("encoder", data, ("--out", out), ("--static", static), ("--start", start), ("--steps", steps or None))
    _tell(done, report, (*words, ("--seed", seed), ("--licence", licence or None)), as_json=as_json)


def _tell(done: Trained, report: Path | None, words: tuple[object, ...], *, as_json: bool) -> None:
    """Print what was made and how good it is, and write the page."""
    from livetide.evaluating import command_line, figure_lines, write_page

    found = done.figures
    if report and found:
        facts = [("model file", str(done.out)), ("learnt from", done.learnt), ("licence", done.card.licence)]
        write_page(report, found, command_line("train", *words, ("--report", report)), facts)
    if as_json:
        told = {"out": str(done.out), "kind": done.card.kind, "learnt_from": done.learnt}
        typer.echo(json.dumps((found.as_json() if found else {}) | told, ensure_ascii=False))
        return
    for line in figure_lines(found) if found else _without(done):
        typer.echo(line)
    typer.echo(f"learnt from {done.learnt}: {done.out}")
    if report:
        typer.echo(f"report: {report}" if found else "no report: nothing was measured", err=True)


def _without(done: Trained) -> list[str]:
    """What can be said where no example was kept to measure on."""
    figures = done.card.figures
    told = "nothing was kept to measure on: too few examples"
    if "cv_accuracy" not in figures:
        return [told]
    return [told, f"by cross-validation: accuracy {figures['cv_accuracy']:.3f}, macro-F1 {figures['cv_macro_f1']:.3f}"]
