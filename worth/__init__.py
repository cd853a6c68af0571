"""The command line: the only package that knows both training and serving."""
