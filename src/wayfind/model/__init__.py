"""Models: texts in, vectors out. What is trained elsewhere is run here, without torch."""
