"""Named BERT architectures. Each is a shape, not a set of weights."""


def _bert(num_layers: int, hidden_dim: int, num_heads: int, intermediate_dim: int) -> dict:
    return {
        "vocabulary_size": 30522,
        "num_layers": num_layers,
        "hidden_dim": hidden_dim,
        "num_heads": num_heads,
        "intermediate_dim": intermediate_dim,
        "max_sequence_length": 512,
    }


ARCHITECTURES: dict[str, dict] = {
    # Jiao et al., arXiv 1909.10351, section 4.1.
    "tinybert_4l_312d": _bert(4, 312, 12, 1200),
    "tinybert_6l_768d": _bert(6, 768, 12, 3072),
    # Wang et al., arXiv 2002.10957; the shape of all-MiniLM-L6-v2.
    "minilm_6l_384d": _bert(6, 384, 12, 1536),
    # Turc et al., arXiv 1908.08962.
    "bert_tiny": _bert(2, 128, 2, 512),
    "bert_mini": _bert(4, 256, 4, 1024),
    "bert_small": _bert(4, 512, 8, 2048),
    "bert_medium": _bert(8, 512, 8, 2048),
    # Devlin et al., arXiv 1810.04805.
    "bert_base": _bert(12, 768, 12, 3072),
    "bert_large": _bert(24, 1024, 16, 4096),
}
"""Arguments of `BertEncoder` by name; `from_preset(NAME, load_weights=False)` takes a name."""
