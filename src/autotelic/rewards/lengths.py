"""Rewards of how long a completion is. Pure functions of numbers of tokens."""


def effort(length: int, enough: int, bounded: bool = False) -> float:
    """- enough / length: RLSP's price of short thinking (arXiv:2502.06773), -1 at `enough` tokens, without a limit below and ever nearer to 0 above.

    `bounded`: 1 - min(1, enough / length) instead, 0 up to `enough` tokens and ever nearer to 1 above. No token counts as one.
    """
    share = enough / max(length, 1)
    return 1 - min(share, 1.0) if bounded else -share


def soft_overlong(length: int, limit: int, cache: int) -> float:
    """0 up to `limit - cache` tokens, then linearly down to -1 at `limit` and beyond: DAPO's soft overlong punishment (arXiv:2503.14476, equation 13).

    Raises:
        ValueError: `cache` is not between 1 and `limit`.
    """
    if not 1 <= cache <= limit:
        raise ValueError(f"cache = {cache}: it must be between 1 and the limit of {limit} tokens")
    return -min(max(length - (limit - cache), 0) / cache, 1.0)
