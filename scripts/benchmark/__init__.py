"""The benchmark: what the whole engine costs per event, next to a bare loop measured in the same process."""
