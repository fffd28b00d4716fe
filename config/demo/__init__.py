"""The demo: pictures that the project draws itself, and a small simulated crowd that labels them through the API."""
