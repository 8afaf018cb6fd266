"""Where pairs come from: repositories, CodeSearchNet, The Stack, lines of one's own."""
