"""`python -m tinybert_tf.export`: the commands that export, and what is done with bundles.

python -m tinybert_tf.export --tflite --run RUN --output DIR [--profile NAME] [--android APP]
python -m tinybert_tf.export --saved-model --run RUN --output DIR
python -m tinybert_tf.export --keras --run RUN --output FILE.keras
python -m tinybert_tf.export verify BUNDLE...
python -m tinybert_tf.export install BUNDLE --android APP
python -m tinybert_tf.export benchmark BUNDLE... [--against PEER,...] [--run RUN]
"""

from tinybert_tf.commands import command_line

if __name__ == "__main__":
    command_line.start(command_line.EXPORTER)
