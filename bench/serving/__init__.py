"""The servers that ``bench/serve.py`` compares, each in a process of its own."""
