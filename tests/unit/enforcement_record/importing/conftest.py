"""Property tests here measure meaning, not time: a busy machine must not fail them."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("meaning", deadline=None)
settings.load_profile("meaning")
