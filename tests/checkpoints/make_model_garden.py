"""Writes checkpoints of TF Model Garden and what its models say.

Run by test_model_garden.py in a process of its own, where `official` is installed:
`python make_model_garden.py DIRECTORY`.
"""

import pathlib
import sys

import numpy as np
import tensorflow as tf
from official.modeling import hyperparams
from official.nlp.configs import encoders
from official.nlp.modeling import models, networks
from official.nlp.tasks import sentence_prediction

from tinybert_tf import checkpoints
