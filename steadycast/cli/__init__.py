"""Commands for people, one file each. They talk HTTP, except the ones that start a host or look at this machine."""
