"""Model families in the Hugging Face layout: their configs and the names of their tensors.

| `model_type` | what it has of its own |
|---|---|
| `bert` | |
| `distilbert` | no token types, no pooler; a dense layer with relu before the classifier |
| `electra` | narrower embeddings in small models, no pooler; gelu before the classifier |
| `mpnet` | a relative bias on scores, no token types, positions from 2, other special tokens |

What a family lacks is there and zero (token types), or random (a pooler that is to be trained).
A new family is a class and a line in `FAMILIES`.
"""

import dataclasses
import pathlib
from collections.abc import Iterator

from tinybert_tf.checkpoints._config_values import (
    check_count,
    check_epsilon,
    check_rate,
    shown,
)
from tinybert_tf.checkpoints._loader import Entry, dense_entries, norm_entries
from tinybert_tf.errors import TinyBertError
from tinybert_tf.models import BertEncoder, gelu_tanh
from tinybert_tf.tokenization.files import mpnet_rows, read_tokens

ACTIVATIONS = {
    "gelu": "gelu",
    "gelu_new": gelu_tanh,
    "gelu_pytorch_tanh": gelu_tanh,
    "relu": "relu",
}
# Arguments of `BertEncoder` that are no sizes.
_CHECKS = {
    "dropout": check_rate,
    "attention_dropout": check_rate,
    "layer_norm_epsilon": check_epsilon,
}
# MPNet's positions begin here.
_MPNET_POSITIONS = 2
_MPNET_BUCKETS = 32


@dataclasses.dataclass(frozen=True)
class Names:
    """How a family spells its tensors; `{i}` is the block, counted from 0."""

    block: str
    query: str
    key: str
    value: str
    attention_output: str
    attention_norm: str
    intermediate: str
    output: str
    output_norm: str


_BERT_NAMES = Names(
    block="encoder.layer.{i}.",
    query="attention.self.query",
    key="attention.self.key",
    value="attention.self.value",
    attention_output="attention.output.dense",
    attention_norm="attention.output.LayerNorm",
    intermediate="intermediate.dense",
    output="output.dense",
    output_norm="output.LayerNorm",
)


class Bert:
    """BERT, and what its relatives have in common with it."""

    base = "bert."
    names = _BERT_NAMES
    # The keys of config.json for arguments of `BertEncoder`: those it must have, and others.
    required_keys = {
        "vocabulary_size": "vocab_size",
        "num_layers": "num_hidden_layers",
        "num_heads": "num_attention_heads",
        "hidden_dim": "hidden_size",
        "intermediate_dim": "intermediate_size",
        "max_sequence_length": "max_position_embeddings",
    }
    optional_keys = {
        "dropout": "hidden_dropout_prob",
        "attention_dropout": "attention_probs_dropout_prob",
        "num_segments": "type_vocab_size",
        "layer_norm_epsilon": "layer_norm_eps",
    }
    activation_key = "hidden_act"
    head_dropout_key = "classifier_dropout"
    # The pooled output's layer where there is no head, and where there is a classifier.
    pooler = "pooler.dense"
    classifier_pooler = "pooler.dense"
    classifier = "classifier"
    # Of the layer before the classifier.
    pooler_activation = "tanh"
    # Heads, and what else a model without them leaves aside.
    unused: tuple[str, ...] = (
        *("classifier.", "cls.", "qa_outputs.", "fit_dense.", "fit_denses."),
        "embeddings.position_ids",
    )
    landmark = "embeddings.word_embeddings.weight"
    # Where it has none, they are zero.
    has_segments = True

    def arguments(self, config: dict, path: pathlib.Path) -> dict:
        """Returns arguments of `BertEncoder`.

        Args:
            config: dict. What config.json holds.
            path: path. Of config.json.

        Raises:
            TinyBertError: if config.json lacks a key, has a value of another type or range,
                or says what there is not.
        """
        missing = [key for key in self.required_keys.values() if config.get(key) is None]
        if missing:
            raise TinyBertError(f"{path} lacks {', '.join(missing)}; is it a BERT config?")
        activation = config.get(self.activation_key, "gelu")
        if not isinstance(activation, str) or activation not in ACTIVATIONS:
            raise TinyBertError(
                f"{path}: {self.activation_key} {shown(activation)} is not known. Known are "
                f"{', '.join(ACTIVATIONS)}."
            )
        position_type = config.get("position_embedding_type", "absolute")
        if position_type != "absolute":
            raise TinyBertError(
                f"{path}: position_embedding_type {shown(position_type)} is not supported; "
                'BERT\'s own is "absolute".'
            )
        arguments = {
            ours: _CHECKS.get(ours, check_count)(config[theirs], theirs, path)
            for ours, theirs in {**self.required_keys, **self.optional_keys}.items()
            if config.get(theirs) is not None
        }
        # BERT's own, where the config leaves it to the reader.
        arguments.setdefault("attention_dropout", 0.1)
        return {**arguments, "activation": ACTIVATIONS[activation]}

    def entries(self, encoder: BertEncoder, directory: pathlib.Path) -> Iterator[Entry]:
        """Yields the entries of an encoder without its pooler."""
        yield from self.table_entries(encoder, directory)
        yield from norm_entries("embeddings.LayerNorm", encoder.embeddings_norm)
        for i, layer in enumerate(encoder.transformer_layers):
            prefix, names = self.names.block.format(i=i), self.names
            attention = layer.self_attention
            yield from dense_entries(prefix + names.query, attention.query)
            yield from dense_entries(prefix + names.key, attention.key)
            yield from dense_entries(prefix + names.value, attention.value)
            yield from dense_entries(prefix + names.attention_output, attention.output_dense)
            yield from norm_entries(prefix + names.attention_norm, layer.attention_norm)
            yield from dense_entries(prefix + names.intermediate, layer.intermediate_dense)
            yield from dense_entries(prefix + names.output, layer.output_dense)
            yield from norm_entries(prefix + names.output_norm, layer.output_norm)

    def table_entries(self, encoder: BertEncoder, directory: pathlib.Path) -> Iterator[Entry]:
        """Yields the entries of the embeddings."""
        yield Entry(self.landmark, encoder.token_embedding.embeddings, is_table=True)
        positions = encoder.position_embedding.position_embeddings
        yield Entry("embeddings.position_embeddings.weight", positions)
        segments = encoder.segment_embedding.embeddings
        yield Entry("embeddings.token_type_embeddings.weight", segments)


class DistilBert(Bert):
    """DistilBERT (Sanh et al., arXiv 1910.01108)."""

    base = "distilbert."
    names = Names(
        block="transformer.layer.{i}.",
        query="attention.q_lin",
        key="attention.k_lin",
        value="attention.v_lin",
        attention_output="attention.out_lin",
        attention_norm="sa_layer_norm",
        intermediate="ffn.lin1",
        output="ffn.lin2",
        output_norm="output_layer_norm",
    )
    required_keys = {
        "vocabulary_size": "vocab_size",
        "num_layers": "n_layers",
        "num_heads": "n_heads",
        "hidden_dim": "dim",
        "intermediate_dim": "hidden_dim",
        "max_sequence_length": "max_position_embeddings",
    }
    optional_keys = {"dropout": "dropout", "attention_dropout": "attention_dropout"}
    activation_key = "activation"
    head_dropout_key = "seq_classif_dropout"
    pooler = None
    classifier_pooler = "pre_classifier"
    pooler_activation = "relu"
    has_segments = False
    unused = (*Bert.unused, "pre_classifier.", "vocab_")

    def table_entries(self, encoder, directory):
        entries = super().table_entries(encoder, directory)
        yield from (entry for entry in entries if "token_type" not in entry.name)


class Electra(Bert):
    """ELECTRA's discriminators (Clark et al., arXiv 2003.10555)."""

    base = "electra."
    pooler = None
    classifier_pooler = "classifier.dense"
    classifier = "classifier.out_proj"
    pooler_activation = "gelu"
    unused = (*Bert.unused, "discriminator_predictions.", "generator_")

    def arguments(self, config, path):
        arguments = super().arguments(config, path)
        width = check_count(
            config.get("embedding_size", arguments["hidden_dim"]), "embedding_size", path
        )
        if width != arguments["hidden_dim"]:
            arguments["embedding_dim"] = width
        return arguments

    def entries(self, encoder, directory):
        yield from super().entries(encoder, directory)
        if encoder.embeddings_projection is not None:
            yield from dense_entries("embeddings_project", encoder.embeddings_projection)


class MPNet(Bert):
    """MPNet (Song et al., arXiv 2004.09297), under BERT's vocabulary."""

    base = "mpnet."
    names = dataclasses.replace(
        _BERT_NAMES,
        query="attention.attn.q",
        key="attention.attn.k",
        value="attention.attn.v",
        attention_output="attention.attn.o",
        attention_norm="attention.LayerNorm",
    )
    classifier_pooler = "classifier.dense"
    classifier = "classifier.out_proj"
    has_segments = False
    unused = (*Bert.unused, "lm_head.")

    def arguments(self, config, path):
        arguments = super().arguments(config, path)
        buckets = config.get("relative_attention_num_buckets", _MPNET_BUCKETS)
        if check_count(buckets, "relative_attention_num_buckets", path) % 4:
            raise TinyBertError(
                f"{path}: relative_attention_num_buckets is {buckets}, expected a multiple of "
                "4: half are for each direction, and half of these for near distances."
            )
        length = arguments["max_sequence_length"] - _MPNET_POSITIONS
        # Its LayerNorms have this where the config says nothing.
        arguments.setdefault("layer_norm_epsilon", 1e-12)
        _, rows = mpnet_rows(read_tokens(path.parent), str(path.parent))
        return {
            **arguments,
            "vocabulary_size": len(rows),
            "max_sequence_length": check_count(length, "max_position_embeddings - 2", path),
            "num_segments": 2,
            "relative_attention_buckets": buckets,
        }

    def entries(self, encoder, directory):
        yield from super().entries(encoder, directory)
        bias = encoder.position_bias.embeddings
        yield Entry("encoder.relative_attention_bias.weight", bias)

    def table_entries(self, encoder, directory):
        _, rows = mpnet_rows(read_tokens(directory), str(directory))
        tokens = encoder.token_embedding.embeddings
        most = max(rows)
        yield Entry(
            self.landmark,
            tokens,
            select=lambda table: table[rows] if len(table) > most else table,
        )
        yield Entry(
            "embeddings.position_embeddings.weight",
            encoder.position_embedding.position_embeddings,
            select=lambda table: table[_MPNET_POSITIONS:],
        )


FAMILIES: dict[str, Bert] = {
    "bert": Bert(),
    "distilbert": DistilBert(),
    "electra": Electra(),
    "mpnet": MPNet(),
}
# What people bring and what would work instead.
_OTHERS = {
    "roberta": "its tokenizer is a byte-level BPE",
    "xlm-roberta": "its tokenizer is SentencePiece",
    "camembert": "its tokenizer is SentencePiece",
    "albert": "its blocks share their weights and its tokenizer is SentencePiece",
    "deberta": "its attention is another (disentangled), and so is its tokenizer",
    "deberta-v2": "its attention is another (disentangled), and its tokenizer SentencePiece",
    "xlnet": "it is no encoder of BERT's kind",
    "modernbert": "its positions are rotary and its tokenizer is a byte-level BPE",
    "nomic_bert": "its positions are rotary",
    "t5": "it is an encoder and decoder",
    "gpt2": "it is a decoder",
}


def family_of(config: dict, path: pathlib.Path) -> Bert:
    """Returns the family of a config.json.

    Args:
        config: dict. What it holds.
        path: path. Of the file.

    Raises:
        TinyBertError: if it is another one.
    """
    model_type = config.get("model_type", "bert")
    if not isinstance(model_type, str) or model_type not in FAMILIES:
        is_known = isinstance(model_type, str) and model_type in _OTHERS
        why = f": {_OTHERS[model_type]}" if is_known else ""
        raise TinyBertError(
            f"{path}: model_type {shown(model_type)} is not supported{why}. "
            f"Supported are {', '.join(FAMILIES)}, with BERT's WordPiece vocabulary; take a "
            "model of these that was fine-tuned on the same task, or fine-tune one."
        )
    return FAMILIES[model_type]
