"""Pretended GPUs for machines without one: a driver whose session cap the kernel enforces across processes, and faults
on command. Nothing of it is real but the cap; it says "simulated" wherever it shows."""
