"""Runs: configs, run directories and the recipes fine-tune, distill and evaluate."""
