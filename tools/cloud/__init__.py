"""Jobs on other machines, by SkyPilot: what travels there, what is run there, and what comes back.

SkyPilot lives in an environment of its own and is called by its program `sky`; nothing here imports it.
"""
