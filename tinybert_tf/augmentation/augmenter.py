"""TinyBERT's data augmentation (arXiv 1909.10351, algorithm 1) over examples of a task."""

import dataclasses
import hashlib
from collections.abc import Sequence

import numpy as np
import pydantic

from tinybert_tf.augmentation._candidates import MaskedLMCandidates, MaskedWord
from tinybert_tf.augmentation._words import STOP_WORDS, match_case, split_words
from tinybert_tf.augmentation.word_vectors import WordVectors
from tinybert_tf.data import Examples
from tinybert_tf.errors import TinyBertError
from tinybert_tf.models import BertMaskedLM
from tinybert_tf.strict import strict_dataclass

# N_a where the released code does not take 20: its task_distill data of GLUE.
COPIES = {"cola": 30, "mrpc": 30, "rte": 30, "stsb": 30, "mnli": 10, "qqp": 10}
_USUAL_COPIES = 20

# Draws for each copy that is wanted, as some repeat others or the text. With p_t = 0.4, one
# word and K = 15 candidates for it, 20 copies wanted, this misses one in ten million.
_DRAWS_PER_COPY = 32


def default_copies(task_name: str) -> int:
    """Returns N_a of the paper's experiments for a task; 20 for one of the user's own."""
    return COPIES.get(task_name, _USUAL_COPIES)


@strict_dataclass
class AugmentationOptions:
    """How texts are augmented.

    Args:
        copies: N_a of the paper: for each text of an example, so twice for a pair. See
            `default_copies`.
        replace_probability: p_t of the paper: of a word in a copy.
        candidates: K of the paper: the words that may take a word's place.
        seed: of the draws.
        tokens_per_batch: rows times padded length of a batch of the masked LM.
    """

    copies: pydantic.PositiveInt = _USUAL_COPIES
    replace_probability: float = pydantic.Field(0.4, gt=0.0, le=1.0)
    candidates: pydantic.PositiveInt = 15
    seed: pydantic.NonNegativeInt = 42
    tokens_per_batch: pydantic.PositiveInt = 4096


@dataclasses.dataclass(frozen=True)
class Statistics:
    """What was made of examples; two of them can be added.

    Args:
        examples: int. How many were augmented.
        rows: int. Copies made of them.
        short: int. Examples with fewer copies than asked for: too few words to replace.
        unchanged: int. Those among them without any.
        masked_lm_words: int. Replaced words whose candidates the masked LM proposed. A word
            that copies replace again, or in a text that comes again, counts once in each call.
        word_vector_words: int. The same of neighbours in the word vectors.
    """

    examples: int = 0
    rows: int = 0
    short: int = 0
    unchanged: int = 0
    masked_lm_words: int = 0
    word_vector_words: int = 0

    def __add__(self, other: "Statistics") -> "Statistics":
        pairs = zip(dataclasses.astuple(self), dataclasses.astuple(other), strict=True)
        return Statistics(*(mine + theirs for mine, theirs in pairs))


# What is put into a copy: the number of a candidate by the index of the piece it replaces.
_Choices = dict[int, int]


@dataclasses.dataclass
class _Text:
    """A text taken apart, see `split_words`.

    Args:
        pieces: list of str.
        queries: dict of `MaskedWord` by the index of their piece. What the masked LM is for.
        candidates: dict of tuples of str by the index of the piece whose place they may take.
    """

    pieces: list[str]
    queries: dict[int, MaskedWord]
    candidates: dict[int, tuple[str, ...]]

    def replace(self, choices: _Choices) -> str:
        pieces = list(self.pieces)
        for index, choice in choices.items():
            pieces[index] = match_case(self.candidates[index][choice], pieces[index])
        return "".join(pieces)


class Augmenter:
    """Makes variants of examples by replacing words with similar ones.

    Every word `[a-z]+` that is no stop word can be replaced. The candidates for a word that is
    one token come from the masked LM; those for a word of several tokens are its nearest word
    vectors, or without such come from the masked LM, too. A copy takes, with probability p_t,
    for each word a random one of its candidates. Everything else, spaces and capitals included,
    stays as it is.

    The copies of an example are a function of its texts, the models and the options alone,
    whatever stands before or after it.

    Args:
        masked_lm: `BertMaskedLM` with a preprocessor, see `MaskedLMCandidates`.
        word_vectors: `WordVectors` or `None`.
        options: `AugmentationOptions`.

    Raises:
        TinyBertError: if the masked LM cannot be used.

    Example:

    ```python
    tokenizer = BertTokenizer("my_bert/vocab.txt")
    masked_lm = load_masked_lm("my_bert", BertPreprocessor(tokenizer, sequence_length=512))
    augmenter = Augmenter(masked_lm, read_word_vectors("glove.6B.300d.txt"))
    augmented, statistics = augmenter.augment(read_table(task, "train.tsv"))
    ```
    """

    def __init__(
        self,
        masked_lm: BertMaskedLM,
        word_vectors: WordVectors | None = None,
        options: AugmentationOptions | None = None,
    ):
        self.options = options or AugmentationOptions()
        self._propose = MaskedLMCandidates(masked_lm, self.options.tokens_per_batch)
        self._tokenizer = self._propose.tokenizer
        self._word_vectors = word_vectors

    def augment(self, examples: Examples) -> tuple[Examples, Statistics]:
        """Makes the copies of examples, with their labels.

        Of a pair, copies with another first text have the second one as it was, and copies with
        another second text the first one. No copy is the example itself or comes twice.

        Args:
            examples: `Examples`.

        Returns:
            The copies, in the order of the examples, and the statistics.

        Raises:
            TinyBertError: if a text is no string; the example is named.
        """
        check_texts(examples)
        texts = self._take_apart(examples)
        rows = list(zip(*examples.texts, strict=True))
        plans = [self._plan(row, texts) for row in rows]
        words = self._ask_masked_lm(plans, rows, texts)
        fields = tuple([] for _ in examples.texts)
        sources = []
        for number, (row, plan) in enumerate(zip(rows, plans, strict=True)):
            for changed, choices in plan:
                for i, text in enumerate(row):
                    fields[i].append(texts[text].replace(choices) if i == changed else text)
            sources += [number] * len(plan)
        copies = Examples(tuple(map(tuple, fields)), examples.labels[np.array(sources, int)])
        wanted = self.options.copies * len(fields)
        short, unchanged = sum(len(p) < wanted for p in plans), sum(not p for p in plans)
        return copies, words + Statistics(len(rows), len(copies), short, unchanged)

    # === Candidates ===

    def _take_apart(self, examples: Examples) -> dict[str, _Text]:
        """Returns all texts, each once, with the candidates that word vectors give."""
        # A dictionary keeps the order, where a set would not.
        unique = list(dict.fromkeys(text for field in examples.texts for text in field))
        lowercase = self._tokenizer.lowercase
        texts = {text: _Text(split_words(text, lowercase), {}, {}) for text in unique}
        looked_up: list[tuple[_Text, int, str]] = []
        for text, token_ids in zip(texts.values(), self._tokenize(texts.values()), strict=True):
            for index, query in self._queries(text.pieces, token_ids):
                if self._is_looked_up(query):
                    looked_up.append((text, index, query.word))
                else:
                    text.queries[index] = query
        self._look_up(looked_up)
        return texts

    def _ask_masked_lm(self, plans, rows, texts: dict[str, _Text]) -> Statistics:
        """Finds the candidates for those words alone that a copy replaces: it is what costs."""
        replaced = dict.fromkeys(
            (row[changed], index)
            for row, plan in zip(rows, plans, strict=True)
            for changed, choices in plan
            for index in choices
        )
        asked = [(texts[text], i) for text, i in replaced if i in texts[text].queries]
        queries = [text.queries[i] for text, i in asked]
        proposed = self._propose(queries, self.options.candidates)
        for (text, i), words in zip(asked, proposed, strict=True):
            text.candidates[i] = words
        return Statistics(
            masked_lm_words=len(asked), word_vector_words=len(replaced) - len(asked)
        )

    def _tokenize(self, texts) -> list[list[np.ndarray]]:
        """Returns the token ids of each piece of each text; each distinct piece is cut once."""
        texts = list(texts)
        pieces = list(dict.fromkeys(piece for text in texts for piece in text.pieces))
        ragged = self._tokenizer.tokenize(pieces) if pieces else None
        ids = {}
        if ragged is not None:
            splits = ragged.row_splits.numpy()[1:-1]
            ids = dict(zip(pieces, np.split(ragged.values.numpy(), splits), strict=True))
        return [[ids[piece] for piece in text.pieces] for text in texts]

    def _queries(self, pieces: list[str], token_ids: list[np.ndarray]):
        """Yields index and `MaskedWord` of each piece that can be replaced."""
        ends = np.cumsum([len(ids) for ids in token_ids])
        all_ids = np.concatenate(token_ids)
        for index in range(1, len(pieces), 2):
            word = pieces[index].lower()
            if word not in STOP_WORDS:
                start = int(ends[index - 1])
                yield index, MaskedWord(word, all_ids, start, int(ends[index]))

    def _is_looked_up(self, query: MaskedWord) -> bool:
        ids = query.token_ids[query.start : query.stop]
        is_token = len(ids) == 1 and ids[0] != self._tokenizer.unk_token_id
        vectors = self._word_vectors
        return not is_token and vectors is not None and query.word in vectors

    def _look_up(self, wanted: Sequence[tuple[_Text, int, str]]) -> None:
        words = list(dict.fromkeys(word for *_, word in wanted))
        if not words:
            return
        nearest = self._word_vectors.nearest(words, self.options.candidates)
        found = dict(zip(words, nearest, strict=True))
        for text, index, word in wanted:
            text.candidates[index] = found[word]

    # === Draws ===

    def _plan(
        self, row: tuple[str, ...], texts: dict[str, _Text]
    ) -> list[tuple[int, _Choices]]:
        """Returns for each copy of an example the text that changes, and how."""
        content = "\0".join(row).encode("utf-8", "surrogatepass")
        digest = hashlib.blake2b(content, digest_size=16).digest()
        random = np.random.default_rng((self.options.seed, int.from_bytes(digest, "little")))
        return [
            (changed, choices)
            for changed, text in enumerate(row)
            for choices in self._draw(texts[text], random)
        ]

    def _draw(self, text: _Text, random: np.random.Generator) -> list[_Choices]:
        """Draws up to `copies` variants of a text, each once and none the text itself."""
        counts = {index: len(words) for index, words in text.candidates.items()}
        counts |= dict.fromkeys(text.queries, self._propose.limit(self.options.candidates))
        indices = sorted(index for index, count in counts.items() if count)
        if not indices:
            return []
        draws = self.options.copies * _DRAWS_PER_COPY
        ends = np.array([counts[index] for index in indices]) + 1
        chosen = random.integers(1, ends, (draws, len(indices)))
        replaced = random.random((draws, len(indices))) < self.options.replace_probability
        chosen = np.where(replaced, chosen, 0)
        chosen = chosen[chosen.any(axis=1)]
        # The first of its kind, in the order of the draws.
        _, first = np.unique(chosen, axis=0, return_index=True)
        return [
            {index: choice - 1 for index, choice in zip(indices, row, strict=True) if choice}
            for row in chosen[np.sort(first)[: self.options.copies]].tolist()
        ]


def check_texts(examples: Examples) -> None:
    """Looks for a text that is none.

    Raises:
        TinyBertError: if there is one; the example is named.
    """
    for i, field in enumerate(examples.texts, start=1):
        for number, text in enumerate(field):
            if not isinstance(text, str):
                raise TinyBertError(
                    f"Example {number}, text {i}: is {text!r}, a {type(text).__name__}, "
                    "expected a string."
                )
