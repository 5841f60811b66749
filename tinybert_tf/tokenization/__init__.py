"""Original BERT WordPiece in the TensorFlow graph: vocabulary, tokenizer, preprocessor."""

from tinybert_tf.tokenization.bert_preprocessor import BertPreprocessor
from tinybert_tf.tokenization.bert_tokenizer import BertTokenizer
from tinybert_tf.tokenization.vocabulary import load_vocabulary

__all__ = ["BertPreprocessor", "BertTokenizer", "load_vocabulary"]
