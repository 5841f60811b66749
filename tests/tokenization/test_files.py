"""Tokenizer files as transformers saves them: read right, or refused by name."""

import copy
import json

import pytest

from tinybert_tf.errors import TinyBertError
from tinybert_tf.tokenization import load_tokenizer_files

WORDS = ["[PAD]", "[unused0]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS += ["a", "b", "mochte", "möchte", "##s", "新", "##新"]
MPNET_WORDS = ["<s>", "<pad>", "</s>", "<unk>", *WORDS, "<mask>"]
SPECIAL = {"pad": "[PAD]", "unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"}
MPNET_SPECIAL = {**SPECIAL, "pad": "<pad>", "cls": "<s>", "sep": "</s>", "mask": "<mask>"}


def added_token(number, content, **options):
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    return {"id": number, "content": content, **flags, "special": True, **options}


def make_state(words=WORDS, special=SPECIAL, **normalizer):
    """What transformers 5 writes as tokenizer.json, without what says how to join ids."""
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [added_token(words.index(x), x) for x in special.values()],
        "normalizer": {
            "type": "BertNormalizer",
            "clean_text": True,
            "handle_chinese_chars": True,
            "strip_accents": None,
            "lowercase": True,
            **normalizer,
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {
            "type": "WordPiece",
            "unk_token": "[UNK]",
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
            "vocab": {word: i for i, word in enumerate(words)},
        },
    }


def make_config(name="BertTokenizer", special=SPECIAL, **changes):
    """What transformers 5 writes as tokenizer_config.json."""
    return {
        "backend": "tokenizers",
        "do_lower_case": True,
        "model_max_length": 1000000000000000019884624838656,
        "strip_accents": None,
        "tokenize_chinese_chars": True,
        "tokenizer_class": name,
        **{f"{key}_token": token for key, token in special.items()},
        **changes,
    }


@pytest.fixture
def write(tmp_path):
    """A function that writes files: JSON values, text or bytes by their names."""

    def write_files(**contents):
        for name, content in contents.items():
            is_json = not isinstance(content, str | bytes)
            path = tmp_path / f"{name}.{'txt' if name == 'vocab' else 'json'}"
            text = json.dumps(content) if is_json else content
            path.write_bytes(text.encode() if isinstance(text, str) else text)
        return tmp_path

    return write_files


def tokens_of(tokenizer, text):
    return [tokenizer.id_to_token(i) for i in tokenizer(text).numpy()]


# === What is read ===


@pytest.mark.parametrize(
    ("name", "special", "words", "model_type"),
    [
        ("BertTokenizer", SPECIAL, WORDS, "bert"),
        ("BertTokenizerFast", SPECIAL, WORDS, "bert"),
        ("DistilBertTokenizer", SPECIAL, WORDS, "distilbert"),
        ("ElectraTokenizer", SPECIAL, WORDS, "electra"),
        ("MPNetTokenizer", MPNET_SPECIAL, MPNET_WORDS, "mpnet"),
        ("TokenizersBackend", SPECIAL, WORDS, "bert"),
    ],
)
def test_as_transformers_5_saves_them(write, name, special, words, model_type):
    directory = write(
        tokenizer=make_state(words, special),
        tokenizer_config=make_config(name, special),
        config={"model_type": model_type},
    )
    tokenizer = load_tokenizer_files(directory)
    assert tokenizer.get_vocabulary() == WORDS
    assert tokens_of(tokenizer, "A Möchte b?s 新") == [
        "a",
        "mochte",
        "b",
        "[UNK]",
        "[UNK]",
        "新",
    ]
    assert tokenizer.added_tokens == ()


@pytest.mark.parametrize("place", ["tokenizer", "tokenizer_config"])
@pytest.mark.parametrize(
    ("lowercase", "strip_accents", "expected"),
    [
        (True, None, "mochte"),
        (True, True, "mochte"),
        (True, False, "möchte"),
        (False, None, "möchte"),
        (False, False, "möchte"),
        (False, True, "mochte"),
    ],
)
def test_case_and_accents(write, place, lowercase, strip_accents, expected):
    if place == "tokenizer":
        directory = write(
            tokenizer=make_state(lowercase=lowercase, strip_accents=strip_accents)
        )
    else:
        config = make_config(do_lower_case=lowercase, strip_accents=strip_accents)
        directory = write(vocab="\n".join(WORDS), tokenizer_config=config)
    tokenizer = load_tokenizer_files(directory, lowercase)
    assert tokens_of(tokenizer, "möchte") == [expected]
    assert tokens_of(tokenizer, "A") == (["a"] if lowercase else ["[UNK]"])


@pytest.mark.parametrize("place", ["tokenizer", "tokenizer_config"])
def test_chinese_characters_in_words(write, place):
    if place == "tokenizer":
        directory = write(tokenizer=make_state(handle_chinese_chars=False))
    else:
        config = make_config(tokenize_chinese_chars=False)
        directory = write(vocab="\n".join(WORDS), tokenizer_config=config)
    tokenizer = load_tokenizer_files(directory)
    assert not tokenizer.tokenize_chinese_chars
    assert tokens_of(tokenizer, "新新") == ["新", "##新"]
    assert tokens_of(
        load_tokenizer_files(
            write(tokenizer=make_state(), vocab="\n".join(WORDS), tokenizer_config={})
        ),
        "新新",
    ) == ["新", "新"]


@pytest.mark.parametrize("normalizer", ["normalizer", "pre_tokenizer"])
def test_a_sequence_of_one(write, normalizer):
    state = make_state()
    members = {"normalizer": "normalizers", "pre_tokenizer": "pretokenizers"}[normalizer]
    state[normalizer] = {"type": "Sequence", members: [state[normalizer]]}
    assert tokens_of(load_tokenizer_files(write(tokenizer=state)), "A b") == ["a", "b"]


def test_older_files_do_not_name_their_model(write):
    state = make_state()
    del state["model"]["type"]
    assert load_tokenizer_files(write(tokenizer=state)).get_vocabulary() == WORDS


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("\r\n".join(WORDS) + "\r\n", "mochte"),
        ("\ufeff" + "\n".join(WORDS), "mochte"),
        ("\n".join(WORDS), "mochte"),
    ],
    ids=["Windows", "byte order mark", "no final line end"],
)
def test_vocabulary_files(write, content, expected):
    directory = write(vocab=content)
    tokenizer = load_tokenizer_files(directory)
    assert tokenizer.get_vocabulary() == WORDS
    assert tokens_of(tokenizer, "Möchte") == [expected]


def test_of_tokens_that_come_twice_the_last_is_used(write, caplog):
    tokenizer = load_tokenizer_files(write(vocab="\n".join([*WORDS, "a", "c"])))
    assert tokenizer("a c").numpy().tolist() == [len(WORDS), len(WORDS) + 1]
    assert "1 token(s) come again, such as 'a'" in caplog.text


# === Added tokens ===

NEW = len(WORDS)


@pytest.mark.parametrize("place", ["tokenizer", "tokenizer_config", "added_tokens"])
def test_added_past_the_end(write, place):
    """In the order of ids, of which one has no token."""
    words = {"covid": NEW, "c++": NEW + 2}
    files = {"vocab": "\n".join(WORDS)}
    if place == "tokenizer":
        state = make_state()
        for content, number in words.items():
            state["added_tokens"].append(
                added_token(number, content, normalized=True, special=False)
            )
        files = {"tokenizer": state}
    elif place == "tokenizer_config":
        decoder = {
            str(number): added_token(number, content, normalized=True, special=False)
            for content, number in words.items()
        }
        files["tokenizer_config"] = make_config(added_tokens_decoder=decoder)
    else:
        files["added_tokens"] = words
    tokenizer = load_tokenizer_files(write(**files))
    assert tokenizer.vocabulary_size() == NEW + 3
    assert tokens_of(tokenizer, "COVIDs a C++b") == ["covid", "[UNK]", "a", "c++", "b"]
    assert tokenizer("covid c++").numpy().tolist() == [NEW, NEW + 2]


def test_added_in_place(write):
    """A word of the vocabulary that was added again is one token within words, too."""
    state = make_state()
    state["added_tokens"].append(added_token(6, "a", normalized=True, special=False))
    tokenizer = load_tokenizer_files(write(tokenizer=state))
    assert tokenizer.get_vocabulary() == WORDS
    assert tokens_of(tokenizer, "xaab") == ["[UNK]", "a", "a", "b"]


def test_added_as_given_and_normalized(write):
    """Special tokens are looked for as given, unless the file says otherwise."""
    state = make_state()
    state["added_tokens"] += [
        added_token(NEW, "[URL]"),
        {"id": NEW + 1, "content": "Éa", "special": False},
    ]
    tokenizer = load_tokenizer_files(write(tokenizer=state))
    assert [token.normalized for token in tokenizer.added_tokens] == [False, True]
    assert tokens_of(tokenizer, "[URL] [url] ÉA ea") == ["[URL]", *["[UNK]"] * 3, "Éa", "Éa"]


# === What is refused ===


def change(path, value):
    """Returns a function that sets a member of tokenizer.json; `...` removes it."""

    def apply(state):
        *parents, last = path.split(".")
        for name in parents:
            state = state[name]
        if value is ...:
            del state[last]
        else:
            state[last] = value

    return apply


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (change("model.type", "BPE"), "its model is BPE, expected WordPiece"),
        (change("model.type", "Unigram"), "its model is Unigram"),
        (change("model", {}), "its model is None"),
        (change("model", []), r"model is \[\], expected a dict"),
        (change("model.unk_token", "<unk>"), "unk_token is '<unk>', BERT's is '\\[UNK\\]'"),
        (change("model.continuing_subword_prefix", "@@"), "continuing_subword_prefix is '@@'"),
        (change("model.max_input_chars_per_word", 50), "max_input_chars_per_word is 50"),
        (change("model.vocab", {"a": "1"}), "ids that are no integers"),
        (change("model.vocab", {"a": True}), "ids that are no integers"),
        (change("model.vocab", {"a": 1, "b": 1}), "the tokens 'a' and 'b' have the same id, 1"),
        (change("model.vocab", {"a": 0, "b": 10**7}), "2 tokens with ids from 0 to 10,000,000"),
        (change("model.vocab", {"a": -1}), "with ids from -1 to"),
        (change("model.vocab", {"a": 0, "[UNK]": 1}), r"has no \[PAD\], \[CLS\], \[SEP\]"),
        (change("pre_tokenizer", {"type": "ByteLevel"}), "split by ByteLevel"),
        (change("pre_tokenizer.type", "Whitespace"), "split by Whitespace"),
        (change("pre_tokenizer", None), "split by None"),
        (change("normalizer", None), "normalized by nothing, expected BertNormalizer"),
        (change("normalizer", {"type": "Lowercase"}), "normalized by Lowercase"),
        (change("normalizer.clean_text", False), "BertNormalizer without clean_text"),
        (change("normalizer.lowercase", "yes"), 'lowercase is "yes", expected a bool'),
        (
            change("normalizer", {"type": "Sequence", "normalizers": [{}, {}]}),
            "normalized by Sequence",
        ),
        (change("added_tokens", [3]), "an added token is 3"),
        (change("added_tokens", [{"id": 20}]), "expected content and an integer"),
        (change("added_tokens", [added_token("1", "x")]), 'of id "1", expected content'),
        (change("added_tokens", [added_token(7, "x")]), "the tokens 'b' and 'x' have the same"),
        (change("added_tokens", [added_token(7, "a")]), "'a' has the id 7, in the vocab.* 6"),
        (
            change("added_tokens", [added_token(NEW, "x", single_word=True)]),
            "'x' is looked for as a whole word alone",
        ),
        (change("added_tokens", [added_token(NEW, "##x")]), "begins with ##"),
        (change("added_tokens", [added_token(10**6, "x")]), "ids from 0 to 1,000,000"),
    ],
)
def test_refused_tokenizer_json(write, changes, message):
    state = copy.deepcopy(make_state())
    changes(state)
    with pytest.raises(TinyBertError, match=message):
        load_tokenizer_files(write(tokenizer=state))


def test_byte_level_bpe(write):
    """RoBERTa's, as transformers saves it."""
    state = {
        "model": {"type": "BPE", "vocab": {"<s>": 0}, "merges": []},
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False},
        "normalizer": None,
    }
    with pytest.raises(TinyBertError, match=r"tokenizer\.json: its model is BPE"):
        load_tokenizer_files(write(tokenizer=state))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (
            {"tokenizer_class": "BertJapaneseTokenizer"},
            r"words of MeCab or Sudachi\), which is",
        ),
        ({"tokenizer_class": "RobertaTokenizerFast"}, "'RobertaTokenizerFast', which is not"),
        ({"tokenizer_class": ["BertTokenizer"]}, "tokenizer_class is"),
        ({"do_basic_tokenize": False, "tokenizer_class": "BertTokenizer"}, "are not split as"),
        ({"sep_token": "</s>"}, r"sep_token is '</s>', BERT's is '\[SEP\]'"),
        ({"unk_token": {"content": "<unk>"}}, "unk_token is '<unk>'"),
        ({"do_lower_case": "true"}, 'do_lower_case is "true", expected a bool'),
        ({"strip_accents": 0}, "strip_accents is 0, expected a bool"),
        ({"do_lower_case": False}, "do_lower_case=false, tokenizer.json beside it says true"),
        ({"tokenize_chinese_chars": False}, "tokenize_chinese_chars=false, tokenizer.json"),
        ({"added_tokens_decoder": {"x": {}}}, "the added token 'x' is {}, expected an id"),
        ({"added_tokens_decoder": {"1" * 5000: {}}}, "the added token '1111"),
        ({"added_tokens_decoder": {"9": 3}}, "the added token '9' is 3"),
        ({"added_tokens_decoder": []}, "added_tokens_decoder is \\[\\], expected a dict"),
    ],
)
def test_refused_tokenizer_config(write, config, message):
    directory = write(tokenizer=make_state(), tokenizer_config=config)
    with pytest.raises(TinyBertError, match=message):
        load_tokenizer_files(directory)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "has neither tokenizer.json nor vocab.txt"),
        ({"tokenizer": "{"}, "tokenizer.json is not JSON"),
        ({"tokenizer": "[" * 100_000}, "tokenizer.json is not JSON"),
        ({"tokenizer": "[]"}, "holds a JSON list, expected an object"),
        ({"tokenizer": b"\xff{}"}, "byte 0xff is not UTF-8"),
        ({"tokenizer": '{"model": ' + "1" * 5000 + "}"}, "tokenizer.json is not JSON"),
        (
            {"tokenizer": make_state(), "vocab": "x"},
            r"'x' is 0 in the one, missing in the other|no",
        ),
        (
            {"tokenizer": make_state(), "vocab": "\n".join([*WORDS[:6], "b", "a"])},
            "'b' is 6 in the one, 7 in the other",
        ),
        ({"vocab": "\n".join(WORDS), "added_tokens": {"x": "13"}}, 'of id "13", expected'),
        ({"vocab": "\n".join(WORDS), "added_tokens": {"x": True}}, "of id true, expected"),
        ({"vocab": "\n".join(WORDS), "added_tokens": {"x": 6}}, "'a' and 'x' have the same id"),
        (
            {"vocab": "\n".join(WORDS), "special_tokens_map": {"mask_token": "<mask>"}},
            "special_tokens_map.json: mask_token is '<mask>'",
        ),
    ],
)
def test_refused_files(write, files, message):
    with pytest.raises(TinyBertError, match=message):
        load_tokenizer_files(write(**files))


@pytest.mark.parametrize("name", ["spiece.model", "sentencepiece.bpe.model", "merges.txt"])
def test_files_of_other_methods_are_named(tmp_path, name):
    (tmp_path / name).touch()
    with pytest.raises(TinyBertError, match=f"It has {name}, so its tokenizer is not BERT's"):
        load_tokenizer_files(tmp_path)


def test_added_tokens_of_mpnet_are_refused(write):
    state = make_state(MPNET_WORDS, MPNET_SPECIAL)
    number = len(MPNET_WORDS)
    state["added_tokens"].append(added_token(number, "covid", normalized=True, special=False))
    directory = write(tokenizer=state, config={"model_type": "mpnet"})
    with pytest.raises(TinyBertError, match=r"1 added token.*'covid', which are not supported"):
        load_tokenizer_files(directory)


# === Case ===

CASED = [*WORDS, "Apple", "Berlin", "[URL]"]


@pytest.mark.parametrize("says", [None, False])
@pytest.mark.parametrize("is_given", [False, True])
def test_a_cased_vocabulary_under_lowercase(write, tmp_path, says, is_given):
    """By what the files say, else by the vocabulary; also by one that is given."""
    directory = write(vocab="\n".join(WORDS if is_given else CASED))
    if says is not None:
        write(tokenizer_config=make_config(do_lower_case=says))
    given = None
    if is_given:
        given = tmp_path / "given.txt"
        given.write_text("\n".join(CASED), "utf-8")
    message = "the model is cased, but lowercase is true" if says is not False else "is cased"
    with pytest.raises(TinyBertError, match=f"{message}.*[Ss]et lowercase to false"):
        load_tokenizer_files(directory, True, given)
    tokenizer = load_tokenizer_files(directory, False, given)
    assert tokens_of(tokenizer, "Apple") == ["Apple"]


def test_an_uncased_model_under_no_lowercase(write):
    directory = write(tokenizer=make_state())
    with pytest.raises(TinyBertError, match="model is uncased, but lowercase is false"):
        load_tokenizer_files(directory, lowercase=False)


def test_few_upper_case_tokens_are_a_warning(write, caplog):
    words = [*WORDS, *(f"w{i}" for i in range(2000)), "Odd"]
    load_tokenizer_files(write(vocab="\n".join(words)))
    assert "no text becomes the token 'Odd'" in caplog.text
