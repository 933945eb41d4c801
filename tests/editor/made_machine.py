"""A machine that no plan has to time."""

from editor.api.planning.machine import Machine
from editor.api.planning.speed import Speed

SPEED = Speed(products=((1, 1e9), (1024, 1e11)), bandwidth=1e10, memory=5e9, call=1e-6, hashed=1e9)
MACHINE = Machine(speed=SPEED, quick=SPEED, libraries=2**29, free=2**34, free_disk=2**36)
