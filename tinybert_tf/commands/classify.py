"""The command `classify`."""

import pathlib
import sys

from tinybert_tf.commands._parser import CommandParser, names, path
from tinybert_tf.errors import TinyBertError

HELP = "say what a finished model makes of texts, with probabilities"

_DESCRIPTION = """Classify texts with the student of a run, a preset or a bundle. Texts are
those of the command line, of a file, or lines of standard input. Results are JSON lines on
standard output, or a file."""
# Texts that are run before the progress moves.
_CHUNK = 1024


def add_arguments(parser: CommandParser) -> None:
    """Adds its flags."""
    parser.description = _DESCRIPTION
    add = parser.add_argument
    add("texts", nargs="*", metavar="TEXT", help="a text; with --pair, two by two")
    add(
        "--model",
        type=path,
        required=True,
        metavar="DIR",
        help="a run directory, a preset or a bundle; or the name of a preset in the package",
    )
    add(
        "--pair",
        action="store_true",
        help="texts are pairs: a first, its second, ...",
    )
    add(
        "--input",
        type=path,
        metavar="FILE",
        help="a .csv, .tsv, .jsonl or .parquet file, or a .txt file of one text a line",
    )
    add(
        "--columns",
        type=names,
        default=[],
        metavar="NAMES",
        help="columns of the texts in the file, as in text or first,second (default: those the "
        "run was trained on, else text)",
    )
    add("--delimiter", help="the character between cells (default: told from the header)")
    add(
        "--output",
        type=path,
        metavar="FILE",
        help="a .csv or .jsonl file to write, in place of standard output",
    )


def execute(arguments) -> None:
    """Reads the texts, classifies them and writes the results."""
    output = pathlib.Path(arguments.output) if arguments.output else None
    if output and output.suffix.lower() not in (".csv", ".jsonl"):
        raise TinyBertError(f"--output {output} ends in neither .csv nor .jsonl. Name one.")
    if arguments.texts and arguments.input:
        raise TinyBertError("Give texts or --input, not both.")
    from tinybert_tf.runs.classifying import open_text_model

    model = open_text_model(arguments.model)
    texts = _read(arguments, model.text_fields)
    if model.text_fields and len(texts) != len(model.text_fields):
        raise TinyBertError(
            f"{arguments.model} was trained on {' and '.join(model.text_fields)}; got "
            f"{len(texts)} text(s) at a time. --pair takes two by two, --columns names them."
        )
    if cut := model.count_cut(texts):
        length = model.preprocessor.sequence_length
        print(f"warning: {cut} texts are cut at {length} tokens", file=sys.stderr)
    rows = _classify(model, texts)
    if output is None:
        _write_json_lines(rows, sys.stdout)
        return
    from tinybert_tf.files import atomic_file

    write = _write_csv if output.suffix.lower() == ".csv" else _write_json_lines
    with atomic_file(output) as aside, open(aside, "w", encoding="utf-8", newline="") as file:
        write(rows, file)
    print(f"{output}: {len(texts[0]):,} texts", file=sys.stderr)


def _read(arguments, text_fields: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    """Returns the texts, for pairs in two tuples."""
    if arguments.input and pathlib.Path(arguments.input).suffix.lower() != ".txt":
        from tinybert_tf.data import read_texts

        columns = tuple(arguments.columns) or text_fields or ("text",)
        return read_texts(arguments.input, columns, arguments.delimiter)
    if arguments.input:
        from tinybert_tf.files import read_text_file

        lines = read_text_file(arguments.input, "texts").removeprefix("\ufeff").split("\n")
    elif arguments.texts:
        lines = arguments.texts
    else:
        if sys.stdin.isatty():
            print("one text a line; Ctrl-D ends", file=sys.stderr)
        lines = sys.stdin.read().split("\n")
    texts = [line.removesuffix("\r") for line in lines]
    texts = tuple(text for text in texts if text.strip())
    if not texts:
        raise TinyBertError("There are no texts. Give some, or --input FILE.")
    if not arguments.pair:
        return (texts,)
    if len(texts) % 2:
        raise TinyBertError(f"--pair takes texts two by two; got {len(texts)}.")
    return (texts[::2], texts[1::2])


def _classify(model, texts: tuple[tuple[str, ...], ...]):
    """Yields a dict for each text, and shows how far it is to people who wait."""
    from rich.console import Console
    from rich.progress import track

    starts = range(0, len(texts[0]), _CHUNK)
    console = Console(file=sys.stderr)
    shown = {"console": console, "transient": True, "disable": not console.is_terminal}
    for start in track(starts, "classifying", **shown):
        chunk = tuple(field[start : start + _CHUNK] for field in texts)
        for row, values in zip(zip(*chunk, strict=True), model.predict(chunk), strict=True):
            names = ("text",) if len(row) == 1 else ("text", "text_pair")
            yield {**dict(zip(names, row, strict=True)), **_result(model.labels, values)}


def _result(labels: tuple[str, ...], values) -> dict:
    if not labels:
        return {"score": round(float(values[0]), 6)}
    probabilities = {n: round(float(v), 6) for n, v in zip(labels, values, strict=True)}
    return {"label": labels[values.argmax()], "probabilities": probabilities}


def _write_json_lines(rows, file) -> None:
    import json

    for row in rows:
        file.write(json.dumps(row, ensure_ascii=False) + "\n")


def _write_csv(rows, file) -> None:
    import csv

    writer = None
    for row in rows:
        probabilities = row.pop("probabilities", {})
        row |= {f"probability_{name}": value for name, value in probabilities.items()}
        if writer is None:
            writer = csv.DictWriter(file, list(row))
            writer.writeheader()
        writer.writerow(row)
