"""One file a group of commands: read the settings, call one job, print what came of it."""
