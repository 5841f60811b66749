"""Original BERT WordPiece in the TensorFlow graph: vocabulary, tokenizer, preprocessor."""

from tinybert_tf import backend  # noqa: F401 - before Keras is imported
from tinybert_tf.tokenization.bert_preprocessor import BertPreprocessor
from tinybert_tf.tokenization.bert_tokenizer import BertTokenizer
from tinybert_tf.tokenization.files import load_tokenizer_files
from tinybert_tf.tokenization.vocabulary import AddedToken, load_vocabulary

__all__ = [
    "AddedToken",
    "BertPreprocessor",
    "BertTokenizer",
    "load_tokenizer_files",
    "load_vocabulary",
]
