"""Random streams by name: a key for each seed, purpose and epoch, so that no generator state needs saving."""

import hashlib


def random_stream(seed: int, purpose: str, epoch: int = 0) -> int:
    """Return the 64-bit key of a random stream, a hash, so that no two (seed, purpose, epoch) share one."""
    digest = hashlib.sha256(f"{seed}/{purpose}/{epoch}".encode()).digest()
    return int.from_bytes(digest[:8], "little")
