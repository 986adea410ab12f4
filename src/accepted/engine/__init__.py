"""The engine: what runs operations, on asyncio. The one way down is the committer, the one way up the feed."""
