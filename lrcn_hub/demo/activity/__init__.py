"""The demo's videos: a recogniser beside others that see the same frames, but not their order."""
