"""Speed and accuracy against peers, one command each; never timed in tests."""
