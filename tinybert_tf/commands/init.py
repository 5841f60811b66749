"""The command `init`."""

from tinybert_tf.commands._parser import CommandParser, names, path

HELP = "look at a file of texts and labels, and write a config for it"


def add_arguments(parser: CommandParser) -> None:
    """Adds its flags."""
    add = parser.add_argument
    add("--train", type=path, required=True, metavar="FILE", help="CSV, TSV or JSON lines")
    add(
        "--dev",
        type=path,
        metavar="FILE",
        help="to choose checkpoints on; without it --train is cut into training, dev and test",
    )
    add("--test", type=path, metavar="FILE", help="for the results; without it the dev file")
    add(
        "--text_fields",
        type=names,
        default=[],
        metavar="NAMES",
        help="the column of the texts, or two for pairs, as in title,body",
    )
    add("--label_field", metavar="NAME", help="the column of the labels or scores")
    add("--output", type=path, required=True, metavar="DIR", help="the folder to make")


def execute(arguments) -> None:
    """Writes the folder and says what was found and what to do next."""
    from tinybert_tf.runs.initial_config import write_initial_config

    look = write_initial_config(
        arguments.output,
        arguments.train,
        dev=arguments.dev,
        test=arguments.test,
        text_fields=arguments.text_fields,
        label_field=arguments.label_field,
    )
    rows = ", ".join(f"{count:,} {split}" for split, count in look.rows.items())
    low, high = look.score_range or (None, None)
    kinds = f"{len(look.labels)} labels" if look.labels else f"scores from {low:g} to {high:g}"
    config = f"{arguments.output}/config.yaml"
    print(
        f"texts in '{', '.join(look.text_fields)}', {kinds} in '{look.label_field}', "
        f"up to {look.max_tokens} tokens\nrows: {rows}\n\n"
        f"{config} is commented. Next:\n"
        f"  tinybert-tf check --config {config}\n"
        f"  tinybert-tf run --config {config}"
    )
