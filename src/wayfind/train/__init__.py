"""Training: data sets of pairs, losses, and the loop that makes a model of them."""
