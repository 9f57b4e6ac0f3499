"""The pulse from video on the command line, and the processes that decode video."""
