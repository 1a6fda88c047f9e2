"""Keeps any server alive by a policy: starts or adopts it, asks how it is, decides in pure code, restarts it gracefully
and seldom, and says why. Never on what it cannot tell; never what it did not start or was not given."""
