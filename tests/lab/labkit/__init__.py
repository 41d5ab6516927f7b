"""The lab's parts, one topic a file; cli.py is where to start reading."""
