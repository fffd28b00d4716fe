"""Many at once, and what fails around us: turns and places, heartbeats, lost races, outages."""
